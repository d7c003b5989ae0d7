//! The page as a browser is given it.

use std::io::Read;

use super::client::Server;
use super::sandbox::repository;

/// Files below `web/`, which are all that the page is made of.
fn files() -> Vec<String> {
    let entries = std::fs::read_dir(repository("web")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[test]
fn every_file_of_the_page_is_in_the_program() {
    let server = Server::start(&[]);
    for name in files() {
        let path = if name == "index.html" { "/".to_owned() } else { format!("/assets/{name}") };
        let answer = server.send("GET", &path, &[], b"");
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body, std::fs::read(repository("web").join(&name)).unwrap(), "{path}");
        let media = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{name}: which media type has {other}?"),
        };
        assert_eq!(answer.header("content-type"), Some(media), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert_eq!(policy, POLICY, "{path}");
        let tag = answer.header("etag").unwrap();
        let again = server.send("GET", &path, &[("If-None-Match", tag)], b"");
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, Some(tag)), "{path}");
        let head = server.send("HEAD", &path, &[], b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    for path in ["/assets/nothing.js", "/assets/", "/assets/../Cargo.toml", "/assets/%2e%2e/Cargo.toml", "/index.html"]
    {
        assert_eq!(server.send("GET", path, &[], b"").status, 404, "{path}");
    }
}

#[test]
fn the_page_travels_packed_where_a_browser_takes_it() {
    let server = Server::start(&[]);
    let plain = server.send("GET", "/assets/words.js", &[], b"");
    assert_eq!(plain.header("content-encoding"), None);
    let packed = server.send("GET", "/assets/words.js", &[("Accept-Encoding", "gzip, deflate, br")], b"");
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
    assert!(packed.body.len() * 2 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
}

#[test]
fn without_a_page_there_is_none() {
    let server = Server::start(&["--no-page"]);
    for path in ["/", "/assets/main.js"] {
        assert_eq!(server.send("GET", path, &[], b"").status, 404, "{path}");
    }
    assert_eq!(server.send("GET", "/sdapi/v1/samplers", &[], b"").status, 200);
}

/// A browser that writes down what it is given, and one that cannot be started.
#[cfg(all(unix, not(target_os = "macos")))]
#[test]
fn the_page_opens_in_the_browser_of_the_desktop() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    use super::sandbox::Sandbox;

    let sandbox = Sandbox::new();
    sandbox.write("with/xdg-open", "#!/bin/sh\necho \"$1\" > opened.new\nmv opened.new opened\n");
    std::fs::set_permissions(sandbox.path("with/xdg-open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    sandbox.folder("without");
    for (folder, is_there) in [("with", true), ("without", false)] {
        let path = match is_there {
            // The script itself calls a program.
            true => format!("{}:/usr/bin:/bin", sandbox.path(folder).display()),
            false => sandbox.path(folder).display().to_string(),
        };
        let mut command = sandbox.lbw(&["serve", "--port", "0", "--open", "--subpath", "/lbw/"]);
        command.env("PATH", path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut server = command.spawn().unwrap();
        let mut address = String::new();
        BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut address).unwrap();
        if is_there {
            for _ in 0..500 {
                if sandbox.path("opened").exists() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            assert_eq!(sandbox.text("opened").trim(), format!("{}lbw/", address.trim()));
        } else {
            let said = BufReader::new(server.stderr.as_mut().unwrap()).lines().map(Result::unwrap);
            assert!(said.take(20).any(|line| line.contains("W1206")), "it is said that no browser opens");
        }
        server.kill().unwrap();
        server.wait().unwrap();
    }
}
