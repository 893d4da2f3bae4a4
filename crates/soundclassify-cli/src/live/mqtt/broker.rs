// SPDX-License-Identifier: MIT OR Apache-2.0
//! The address of a broker, with the password.

use std::path::Path;

use super::tls::{self, Trust};
use crate::{
    address::{Address, wrong_port},
    exit::{Failure, Result},
    source,
};

/// Environment variable with the password.
const PASSWORD: &str = "SOUNDCLASSIFY_MQTT_PASSWORD";

/// Address and prefix of a broker.
#[derive(Clone)]
pub(crate) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) prefix: String,
    /// Whether it is reached by TLS.
    secure: bool,
    /// Whom to trust then; known once the broker is complete.
    pub(super) trust: Option<Trust>,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.secure { "mqtts" } else { "mqtt" };
        write!(formatter, "{scheme}://{}/{}", self.place(), self.prefix)
    }
}

impl std::str::FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        // The text may have a password in it, which no error repeats.
        let expected = "expected mqtt[s]://[USER@]HOST[:PORT][/PREFIX]";
        if let Some(why) = wrong_port(text) {
            return Err(why);
        }
        let address = Address::parse(text).ok_or(expected)?;
        let (secure, port) = match address.scheme.as_str() {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            _ => return Err(expected.to_owned()),
        };
        let prefix = address.path.trim_matches('/').to_owned();
        if prefix.contains('+') || text.contains('#') {
            return Err("expected a prefix without + and #".to_owned());
        }
        Ok(Self {
            host: address.host,
            port: address.port.unwrap_or(port),
            user: address.user,
            password: address.password,
            prefix: if prefix.is_empty() { "soundclassify".to_owned() } else { prefix },
            secure,
            trust: None,
        })
    }
}

impl Broker {
    /// Host and port.
    pub(super) fn place(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// What to say of a broker that does not answer.
    pub(super) fn silent(&self, why: &str) -> String {
        format!("MQTT: {why} from {}; check the address and whether the broker runs", self.place())
    }

    /// The broker with all that the files and the environment have of it: `password`, and `ca`, the certificates to trust.
    pub(in crate::live) fn complete(self, password: Option<&Path>, ca: Option<&Path>) -> Result<Self> {
        if ca.is_some() && !self.secure {
            return Err(Failure::Usage("--mqtt-ca: expected an address mqtts://…, found mqtt://…".to_owned()));
        }
        let broker = self.with_password(password)?;
        let trust = broker.secure.then(|| tls::trust(ca)).transpose()?;
        Ok(Self { trust, ..broker })
    }

    /// The broker with the password of a file, else of the environment, else of its address.
    fn with_password(mut self, file: Option<&Path>) -> Result<Self> {
        if let Some(file) = file {
            let text = std::fs::read_to_string(file).map_err(|error| {
                let (file, why) = (file.display(), source::reason(&error));
                Failure::Failed(format!(
                    "--mqtt-password-file {file}: {why}; give a file that contains the broker's password and nothing else"
                ))
            })?;
            self.password = Some(text.trim_end_matches(['\r', '\n']).to_owned());
        } else if let Ok(password) = std::env::var(PASSWORD) {
            self.password = Some(password);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_parts_and_no_password_is_shown() {
        let broker: Broker = "mqtt://me:se%40cret@[::1]:1884/home/sound".parse().unwrap();

        assert_eq!((broker.host.as_str(), broker.port, broker.prefix.as_str()), ("::1", 1884, "home/sound"));
        assert_eq!((broker.user.as_deref(), broker.password.as_deref()), (Some("me"), Some("se@cret")));
        assert!(!format!("{broker:?}").contains("cret"));
        let plain: Broker = "mqtt://broker".parse().unwrap();
        assert_eq!((plain.port, plain.prefix.as_str(), plain.user.as_ref()), (1883, "soundclassify", None));
        assert!(plain.complete(None, Some(Path::new("ca.pem"))).is_err_and(|why| why.to_string().contains("mqtts://")));
        let secure: Broker = "mqtts://broker".parse().unwrap();
        assert_eq!((secure.place().as_str(), secure.secure), ("broker:8883", true));
        for (wrong, why) in [
            ("http://a", "mqtt[s]://"),
            ("mqtt://", "HOST"),
            ("mqttx://a:b@c", "mqtt[s]://"),
            ("mqtt://a/b#", "#"),
            ("mqtt://a:99999", "port 99999 is out of range 1 to 65535"),
        ] {
            let error = wrong.parse::<Broker>().unwrap_err();
            assert!(error.contains(why) && !error.contains("a:b"), "{error}");
        }
    }
}
