// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of an address of the network: `scheme://user:password@host:port/path`, and texts without its secrets.

use std::borrow::Cow;

/// Parts of an address; those of the user are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) scheme: String,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    /// Without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    /// From the slash on, without query and fragment.
    pub(crate) path: String,
}

impl Address {
    /// The parts of a text, if it is an address with a host.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Parts { scheme, user, host, port, path } = Parts::of(text)?;
        let port = port.map(str::parse).transpose().ok()?;
        let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, "")) => (Some(decoded(user)), None),
            Some((user, password)) => (Some(decoded(user)), Some(decoded(password))),
            None => (None, None),
        };
        let (scheme, host) = (scheme.to_lowercase(), host.to_owned());
        (!host.is_empty()).then(|| Self { scheme, user, password, host, port, path: path.to_owned() })
    }
}

/// The parts of an address as they are written.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
    path: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, _) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        Some(Self { scheme, user, host, port, path })
    }
}

/// What is wrong with the port of an address, if it is a number that no port has.
pub(crate) fn wrong_port(text: &str) -> Option<String> {
    let port =
        Parts::of(text)?.port.filter(|port| !port.is_empty() && port.chars().all(|digit| digit.is_ascii_digit()))?;
    let is_right = port.parse::<u16>().is_ok_and(|port| port > 0);
    (!is_right).then(|| format!("port {port} is out of range 1 to 65535"))
}

/// An address without its user and password: `http://me:secret@host/a` becomes `http://host/a`. Any other text is
/// returned unchanged.
pub(crate) fn without_credentials(address: &str) -> Cow<'_, str> {
    let Some(start) = address.find("://").map(|at| at + "://".len()) else { return Cow::Borrowed(address) };
    let length = credentials(&address[start..]);
    let rest = without_credentials(&address[start + length..]);
    match rest {
        Cow::Borrowed(_) if length == 0 => Cow::Borrowed(address),
        rest => Cow::Owned(address[..start].to_owned() + &rest),
    }
}

/// A text without the users and passwords of the addresses in it, each of which ends at a blank, a quotation mark or an
/// angle bracket.
pub(crate) fn without_secrets(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let ends = |character: char| character.is_whitespace() || "\"<>".contains(character);
    text.split_inclusive(ends).map(without_credentials).collect::<String>().into()
}

/// Length of the user and password at the start of an address after its scheme, the `@` included.
fn credentials(rest: &str) -> usize {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    // A password may contain a slash that should have been encoded: what follows the colon is no port then.
    let is_port = |text: &str| text.chars().all(|character| character.is_ascii_digit());
    let is_cut = !authority.starts_with('[') && authority.rsplit_once(':').is_some_and(|(_, port)| !is_port(port));
    let end = authority.rfind('@').or_else(|| if is_cut { rest.rfind('@') } else { None });
    end.map_or(0, |end| end + 1)
}

/// Decodes `%40` to `@`, and so on; malformed codes are kept.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, tail.get(..2).and_then(hex)) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_parts() {
        let all = Address::parse("RTSP://me:se%40c%2ret@[fe80::1]:8554/cam/1?x=1#y").unwrap();
        let parts = (all.scheme.as_str(), all.host.as_str(), all.port, all.path.as_str());
        assert_eq!(parts, ("rtsp", "fe80::1", Some(8554), "/cam/1"));
        assert_eq!((all.user.as_deref(), all.password.as_deref()), (Some("me"), Some("se@c%2ret")));

        let plain = Address::parse("http://radio").unwrap();
        assert_eq!((plain.user, plain.port, plain.path.as_str()), (None, None, ""));
        for wrong in ["radio", "http://", "http://a:port/", "http://:80/"] {
            assert_eq!(Address::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn no_user_and_no_password_is_left() {
        for (address, shown) in [
            ("http://me:SECRET@host:80/a?b=@c", "http://host:80/a?b=@c"),
            ("mqtts://me:SEC@RET@host/x", "mqtts://host/x"),
            ("mqtt://me:SEC/RET#1@host/x", "mqtt://host/x"),
            ("rtsp://me:my SECRET@host", "rtsp://host"),
            ("https://SECRET@[::1]:80/", "https://[::1]:80/"),
            ("https://host:80/@name/a.wav", "https://host:80/@name/a.wav"),
            ("https://[fe80::a]/@name", "https://[fe80::a]/@name"),
            ("https://proxy/http://me:SECRET@host/a", "https://proxy/http://host/a"),
            ("a@b.wav", "a@b.wav"),
        ] {
            assert_eq!(without_credentials(address), shown);
        }
        assert_eq!(
            without_secrets("'http://me:SEC'RET@host/a' and \"rtsp://SECRET@cam\": ask me@host; <ftp://a:SECRET@b>"),
            "'http://host/a' and \"rtsp://cam\": ask me@host; <ftp://b>"
        );
        assert_eq!(without_secrets("no address"), "no address");
    }
}
