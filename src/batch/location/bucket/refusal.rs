//! What an object store would not do, in words, with what can be done about it.

use std::io::{self, ErrorKind};

use object_store::Error;

use crate::diagnostic::Text;
use crate::say;

/// Where the machines of a cloud are given their keys.
const KEYS_OF_MACHINES: &str = "169.254.169.254";

/// The error as the rest of the program has it.
pub(super) fn told(error: Error) -> io::Error {
    let whole = error.to_string();
    let code = within(&whole, "<Code>", "</Code>").unwrap_or_default();
    let status = whole.split_once("status code: ").map_or("", |(_, rest)| rest.get(..3).unwrap_or_default());
    // What the store says itself, or the end of the chain of causes.
    let what = match within(&whole, "<Message>", "</Message>") {
        Some(message) => format!("{code}: {message}"),
        None if !status.is_empty() => format!("HTTP {status}"),
        None => whole.rsplit_once("HTTP error: ").map_or(&*whole, |(_, why)| why).to_owned(),
    };
    let (kind, why) = match error {
        _ if code == "NoSuchBucket" => (ErrorKind::NotFound, no_bucket()),
        _ if is_full(status, code) => (ErrorKind::StorageFull, full(&what)),
        Error::NotFound { path, .. } if !status.is_empty() && code.is_empty() => (ErrorKind::NotFound, no_store(&path)),
        Error::NotFound { path, .. } => (ErrorKind::NotFound, say!("{path}: not found", "{path}: ありません")),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (ErrorKind::PermissionDenied, refused(&what)),
        _ if is_elsewhere(&whole, code) => (ErrorKind::NotFound, elsewhere()),
        _ if whole.contains(KEYS_OF_MACHINES)
            || whole.contains("Missing AccessKeyId")
            || whole.contains("Missing SecretAccessKey") =>
        {
            (ErrorKind::PermissionDenied, no_keys())
        }
        _ if whole.contains("InvalidContentType") => (ErrorKind::NotConnected, no_tls()),
        _ if whole.contains("extract metadata from headers") => (ErrorKind::NotFound, no_store(&what)),
        _ if status.starts_with('5') && code.is_empty() => (ErrorKind::Other, ailing(&what)),
        _ if whole.contains("HTTP error: ") => (ErrorKind::NotConnected, silent(&what)),
        Error::Generic { source, .. } => match source.downcast::<io::Error>() {
            Ok(own) => return *own,
            Err(_) => (ErrorKind::Other, Text::same(what)),
        },
        _ => (ErrorKind::Other, Text::same(what)),
    };
    io::Error::new(kind, why)
}

/// Whether that is how a store says that it takes no more: HTTP's own number, or the words of MinIO, Ceph and others.
fn is_full(status: &str, code: &str) -> bool {
    status == "507" || ["QuotaExceeded", "StorageFull"].iter().any(|word| code.contains(word))
}

/// Whether that is how AWS says that a bucket is in another region.
fn is_elsewhere(whole: &str, code: &str) -> bool {
    ["PermanentRedirect", "AuthorizationHeaderMalformed"].contains(&code)
        || whole.contains("redirect without LOCATION")
        || whole.contains("status code: 301")
}

fn elsewhere() -> Text {
    say!(
        "the bucket is in another region; set AWS_REGION to it",
        "バケットは別のリージョンにあります。AWS_REGION をそのリージョンにしてください"
    )
}

fn no_bucket() -> Text {
    say!(
        "there is no such bucket; make it, or see that AWS_ENDPOINT_URL is the address of its store",
        "そのバケットはありません。作成するか、AWS_ENDPOINT_URL がそのストアのアドレスか確かめてください"
    )
}

fn refused(what: &str) -> Text {
    say!(
        "the store refuses ({what}); AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be of somebody who may read, write, delete and list here",
        "ストアに拒否されました ({what})。AWS_ACCESS_KEY_ID と AWS_SECRET_ACCESS_KEY には、ここでの読み書き・削除・一覧の権限が要ります"
    )
}

fn full(what: &str) -> Text {
    say!(
        "the store is full ({what}); make room in it, or have its quota raised",
        "ストアの空きがありません ({what})。空きを作るか、割り当てを増やしてください"
    )
}

fn no_keys() -> Text {
    say!(
        "there are no keys for the store; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (profiles in ~/.aws are not read)",
        "ストアのキーがありません。AWS_ACCESS_KEY_ID と AWS_SECRET_ACCESS_KEY を設定してください (~/.aws のプロファイルは読みません)"
    )
}

fn no_store(what: &str) -> Text {
    say!(
        "that is no answer of a store ({what}); see that AWS_ENDPOINT_URL is the address of one",
        "ストアの応答ではありません ({what})。AWS_ENDPOINT_URL がストアのアドレスか確かめてください"
    )
}

fn no_tls() -> Text {
    say!(
        "the store answers without TLS; write http:// instead of https:// in AWS_ENDPOINT_URL",
        "ストアが TLS なしで応答しました。AWS_ENDPOINT_URL を https:// ではなく http:// にしてください"
    )
}

fn ailing(what: &str) -> Text {
    say!(
        "the store has trouble of its own ({what}); start the same command again later",
        "ストア側の障害です ({what})。後で同じコマンドを実行してください"
    )
}

fn silent(what: &str) -> Text {
    say!(
        "the store does not answer ({what}); see that AWS_ENDPOINT_URL or AWS_REGION is right and the network reaches it",
        "ストアが応答しません ({what})。AWS_ENDPOINT_URL か AWS_REGION と、ネットワークを確かめてください"
    )
}

fn within<'t>(text: &'t str, start: &str, end: &str) -> Option<&'t str> {
    text.split_once(start)?.1.split_once(end).map(|(inner, _)| inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> io::Error {
        told(Error::Generic { store: "S3", source: words.into() })
    }

    #[test]
    fn what_stores_say_becomes_what_can_be_done() {
        let words = "Error performing GET - Server returned non-2xx status code: ";
        let error = |status: &str, code: &str| {
            of(&format!("{words}{status}: <Error><Code>{code}</Code><Message>why not</Message></Error>"))
        };
        assert!(error("400 Bad Request", "AuthorizationHeaderMalformed").to_string().contains("AWS_REGION"));
        assert!(of("Received redirect without LOCATION, this normally").to_string().contains("AWS_REGION"));
        assert!(error("404 Not Found", "NoSuchBucket").to_string().contains("there is no such bucket"));
        assert!(of(&format!("{words}301 Moved Permanently: ")).to_string().contains("AWS_REGION"));
        assert!(
            of(&format!("{words}502 Bad Gateway: ")).to_string().contains("(HTTP 502); start the same command again")
        );
        assert!(of("Missing AccessKeyId").to_string().contains("there are no keys"));
        assert!(of("HTTP error: received corrupt message of type InvalidContentType").to_string().contains("http://"));
        assert_eq!(error("403 Forbidden", "QuotaExceeded").kind(), ErrorKind::StorageFull);
        assert_eq!(of(&format!("{words}507 Insufficient Storage: ")).kind(), ErrorKind::StorageFull);
        assert_eq!(error("503 Slow Down", "SlowDown").to_string(), "SlowDown: why not");
        // What lbw itself says of an object goes through as it is.
        let own = io::Error::new(ErrorKind::FileTooLarge, say!("too large", "大きすぎます"));
        let own = told(Error::Generic { store: "S3", source: Box::new(own) });
        assert_eq!((own.kind(), own.to_string().as_str()), (ErrorKind::FileTooLarge, "too large"));
    }
}
