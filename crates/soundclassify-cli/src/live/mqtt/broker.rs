// SPDX-License-Identifier: MIT OR Apache-2.0
//! The address of a broker, with the password.

use crate::{
    address::{Address, wrong_port},
    exit::{Failure, Result},
    source,
};

/// Environment variable with the password.
const PASSWORD: &str = "SOUNDCLASSIFY_MQTT_PASSWORD";

/// Address and prefix of a broker.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Broker {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) prefix: String,
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "mqtt://{}:{}/{}", self.host, self.port, self.prefix)
    }
}

impl std::str::FromStr for Broker {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        // The text may have a password in it, which no error repeats.
        let expected = "expected mqtt://[USER[:PASSWORD]@]HOST[:PORT][/PREFIX]";
        if let Some(why) = wrong_port(text) {
            return Err(why);
        }
        let address = Address::parse(text).ok_or(expected)?;
        match address.scheme.as_str() {
            "mqtt" => {}
            "mqtts" => {
                return Err(
                    "TLS is not supported; use mqtt:// on a trusted network, or a local broker with a TLS bridge"
                        .to_owned(),
                );
            }
            _ => return Err(expected.to_owned()),
        }
        let prefix = address.path.trim_matches('/').to_owned();
        if prefix.contains('+') || text.contains('#') {
            return Err("expected a prefix without + and #".to_owned());
        }
        Ok(Self {
            host: address.host,
            port: address.port.unwrap_or(1883),
            user: address.user,
            password: address.password,
            prefix: if prefix.is_empty() { "soundclassify".to_owned() } else { prefix },
        })
    }
}

impl Broker {
    /// Host and port.
    pub(super) fn place(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The broker with the password of a file, else of the environment, else of its address.
    pub(in crate::live) fn with_password(mut self, file: Option<&std::path::Path>) -> Result<Self> {
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
        assert_eq!((plain.port, plain.prefix.as_str(), plain.user), (1883, "soundclassify", None));
        for (wrong, why) in [
            ("http://a", "mqtt://"),
            ("mqtt://", "HOST"),
            ("mqtts://a:b@c", "TLS"),
            ("mqtt://a/b#", "#"),
            ("mqtt://a:99999", "port 99999 is out of range 1 to 65535"),
        ] {
            let error = wrong.parse::<Broker>().unwrap_err();
            assert!(error.contains(why) && !error.contains("a:b"), "{error}");
        }
    }
}
