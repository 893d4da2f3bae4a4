// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS for `mqtts://`: a tunnel from a Unix socket in a private folder to the broker.
//!
//! The TLS of rumqttc 0.25 needs versions of rustls-webpki and rustls-pemfile with open advisories, so rumqttc speaks MQTT
//! to the socket, and rustls speaks TLS to the broker.

use std::{
    io,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use rumqttc::{MqttOptions, Transport};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split},
    net::{TcpStream, UnixStream},
    sync::oneshot,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::broker::Broker;
use crate::{
    exit::{Failure, Result},
    lock::lock,
    source,
};

/// What a client trusts.
pub(super) type Trust = Arc<ClientConfig>;

/// How long the broker may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What to trust: the certificates of a file, else those of the system.
///
/// # Errors
/// A file without certificates, a system without them.
pub(super) fn trust(ca: Option<&Path>) -> Result<Trust> {
    let certificates = match ca {
        Some(file) => of_file(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let mut roots = RootCertStore::empty();
    let (valid, _) = roots.add_parsable_certificates(certificates);
    if valid == 0 {
        return Err(Failure::Failed(match ca {
            Some(file) => format!(
                "--mqtt-ca {}: expected certificates in PEM (-----BEGIN CERTIFICATE-----), found none",
                file.display()
            ),
            None => "--mqtt: this system has no root certificates; install ca-certificates, or give the broker's \
                 with --mqtt-ca FILE"
                .to_owned(),
        }));
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Failed(format!("--mqtt: TLS can't be used: {error}")))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn of_file(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(file)
        .map_err(|error| Failure::Failed(format!("--mqtt-ca {}: {}", file.display(), source::reason(&error))))?;
    Ok(CertificateDer::pem_slice_iter(&bytes).filter_map(std::result::Result::ok).collect())
}

/// The tunnel; it closes when it is dropped.
pub(super) struct Tunnel {
    folder: tempfile::TempDir,
    cause: Arc<Mutex<Option<String>>>,
    _stop: oneshot::Sender<()>,
}

impl Tunnel {
    /// Opens the socket; the broker is called for each connection to it.
    pub(super) fn open(broker: &Broker, trust: &Trust) -> Result<Self> {
        let failed = |error: io::Error| Failure::Failed(format!("--mqtt: TLS can't be used: {error}"));
        // Only this user may enter it.
        let folder = tempfile::Builder::new().prefix("soundclassify-").tempdir().map_err(failed)?;
        let listener = UnixListener::bind(socket(folder.path())).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let (stop, stopped) = oneshot::channel();
        let cause = Arc::new(Mutex::new(None));
        let far =
            Far { broker: broker.clone(), connector: TlsConnector::from(Arc::clone(trust)), cause: Arc::clone(&cause) };
        std::thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = far.serve(listener) => {}
                }
            });
        });
        Ok(Self { folder, cause, _stop: stop })
    }

    /// Options of a client that connects through it.
    pub(super) fn options(&self, id: String) -> MqttOptions {
        // Its port is not used.
        let mut options = MqttOptions::new(id, socket(self.folder.path()).to_string_lossy(), 1);
        options.set_transport(Transport::unix());
        options
    }

    /// Why the last connection failed, once.
    pub(super) fn cause(&self) -> Option<String> {
        lock(&self.cause).take()
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("mqtt")
}

/// Connects clients to the broker over TLS.
struct Far {
    broker: Broker,
    connector: TlsConnector,
    cause: Arc<Mutex<Option<String>>>,
}

impl Far {
    async fn serve(&self, listener: UnixListener) {
        let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
        while let Ok((near, _)) = listener.accept().await {
            match timeout(ANSWER, self.connect()).await {
                Ok(Ok(far)) => join(near, far).await,
                Ok(Err(why)) => *lock(&self.cause) = Some(why),
                Err(_) => *lock(&self.cause) = Some(self.broker.silent("no answer in time")),
            }
        }
    }

    async fn connect(&self) -> std::result::Result<impl AsyncRead + AsyncWrite + use<>, String> {
        let Broker { host, port, .. } = &self.broker;
        let failed = |error: &dyn std::fmt::Display| failure(&error.to_string(), &self.broker.place());
        let name = ServerName::try_from(host.clone()).map_err(|error| failed(&error))?;
        let stream = TcpStream::connect((host.as_str(), *port))
            .await
            .map_err(|error| self.broker.silent(&format!("no answer ({})", source::reason(&error))))?;
        self.connector.connect(name, stream).await.map_err(|error| failed(&error))
    }
}

/// What to do about a connection without TLS.
fn failure(error: &str, place: &str) -> String {
    let remedy = if error.contains("CaUsedAsEndEntity") {
        "its certificate is one of a CA; make one with the extension basicConstraints=CA:FALSE"
    } else if error.contains("certificate") {
        "give the certificate of its CA with --mqtt-ca FILE, and its name in the address"
    } else {
        "check its port, or use mqtt://"
    };
    format!("MQTT: no TLS ({error}) with {place}; {remedy}")
}

/// Carries bytes both ways until one side has none any more.
async fn join(near: UnixStream, far: impl AsyncRead + AsyncWrite) {
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), split(far));
    let outward = async {
        let copied = copy(&mut near_in, &mut far_out).await;
        // The last message is on its way when the connection is closed.
        copied.map(drop).and(far_out.shutdown().await)
    };
    // A broken connection is one that ended.
    tokio::select! {
        ended = outward => drop(ended),
        ended = copy(&mut far_in, &mut near_out) => drop(ended),
    }
}
