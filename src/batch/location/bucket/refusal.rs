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
        Error::NotFound { path, .. } => (ErrorKind::NotFound, say!("{path}: not found", "{path}: ありません")),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (ErrorKind::PermissionDenied, refused(&what)),
        _ if is_full(status, code) => (ErrorKind::StorageFull, full(&what)),
        _ if whole.contains(KEYS_OF_MACHINES) => (ErrorKind::PermissionDenied, no_keys()),
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
        "there are no keys for the store; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "ストアのキーがありません。AWS_ACCESS_KEY_ID と AWS_SECRET_ACCESS_KEY を設定してください"
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
