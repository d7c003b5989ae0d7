//! A person at a desktop: whether there is one, and the page in their browser.

use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::diagnostic::{Diagnostic, Said, code};
use crate::say;

/// Whether somebody who types `lbw` alone sits where a browser can be opened.
pub fn is_here() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdin().is_terminal() && has_screen(cfg!(any(windows, target_os = "macos")), is_set)
}

/// Windows and macOS always have a screen, but whoever came in over SSH does not see it; elsewhere the session tells of it.
fn has_screen(always: bool, is_set: impl Fn(&str) -> bool) -> bool {
    match always {
        true => !is_set("SSH_CONNECTION"),
        false => is_set("DISPLAY") || is_set("WAYLAND_DISPLAY"),
    }
}

/// Opens the page of a server that listens at `address`, below `path`. Gives what went wrong.
pub fn open(address: SocketAddr, path: &str) -> Option<Diagnostic> {
    let error = open::that_detached(url(address, path)).err()?;
    let why = error.said();
    let message = say!("no browser could be opened: {why}", "ブラウザーを開けませんでした: {why}", with why);
    Some(Diagnostic::new(code::NO_BROWSER, message))
}

/// A server on all addresses is reached at this machine's own.
fn url(address: SocketAddr, path: &str) -> String {
    let host = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        host => host,
    };
    let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
    format!("http://{}/{folder}", SocketAddr::new(host, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_told_by_the_session() {
        let with = |always, names: &[&str]| has_screen(always, |name| names.contains(&name));
        assert!(with(true, &[]) && with(false, &["DISPLAY"]) && with(false, &["WAYLAND_DISPLAY"]));
        assert!(!with(true, &["SSH_CONNECTION"]) && !with(false, &[]) && !with(false, &["TERM"]));
    }

    #[test]
    fn the_page_is_opened_where_it_can_be_reached() {
        let of = |address: &str, path: &str| url(address.parse().unwrap(), path);
        assert_eq!(of("0.0.0.0:7860", ""), "http://127.0.0.1:7860/");
        assert_eq!(of("[::]:80", "a/b"), "http://[::1]:80/a/b/");
        assert_eq!(of("192.168.0.7:7860", ""), "http://192.168.0.7:7860/");
    }
}
