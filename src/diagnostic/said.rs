//! Errors that speak every language.
//!
//! An error's sentence exists once, in [`Said::said`]; what it shows as a string is the English of that.
//!
//! ```
//! use lbw::diagnostic::{Language, Said};
//! let absent = std::io::Error::from_raw_os_error(2);
//! assert_eq!(absent.said().in_language(Language::En), absent.to_string());
//! # #[cfg(unix)]
//! assert_eq!(absent.said().in_language(Language::Ja), "見つかりません (os error 2)");
//! ```

use std::io::ErrorKind;

use super::Text;

/// What has something to say in every language.
pub trait Said {
    /// A sentence without a final stop, or the part of one that its place asks for.
    fn said(&self) -> Text;
}

/// The words of the system stay as they are in English. What has no words here is told as the system tells it.
impl Said for std::io::Error {
    fn said(&self) -> Text {
        // One of our own errors may have travelled inside, and foreign words say more than a kind.
        if let Some(inner) = self.get_ref() {
            return inner.downcast_ref::<Text>().cloned().unwrap_or_else(|| Text::same(self));
        }
        let Some(japanese) = in_japanese(self.kind()) else { return Text::same(self) };
        let number = self.raw_os_error().map_or(String::new(), |number| format!(" (os error {number})"));
        Text::new(self.to_string(), format!("{japanese}{number}"))
    }
}

fn in_japanese(kind: ErrorKind) -> Option<&'static str> {
    Some(match kind {
        ErrorKind::NotFound => "見つかりません",
        ErrorKind::PermissionDenied => "アクセス権がありません",
        ErrorKind::AlreadyExists => "すでにあります",
        ErrorKind::IsADirectory => "ファイルではなくフォルダーです",
        ErrorKind::NotADirectory => "フォルダーではありません",
        ErrorKind::DirectoryNotEmpty => "フォルダーが空ではありません",
        ErrorKind::StorageFull => "ディスクの空きがありません",
        ErrorKind::QuotaExceeded => "ディスクの割り当てを使い切りました",
        ErrorKind::FileTooLarge => "ファイルが大きすぎます",
        ErrorKind::ReadOnlyFilesystem => "読み取り専用のディスクです",
        ErrorKind::InvalidFilename => "使えないファイル名です",
        ErrorKind::BrokenPipe => "出力先が閉じられました",
        ErrorKind::UnexpectedEof => "途中で終わっています",
        ErrorKind::OutOfMemory => "メモリーが足りません",
        ErrorKind::ResourceBusy => "ほかで使われています",
        ErrorKind::TimedOut => "時間切れです",
        ErrorKind::AddrInUse => "このアドレスはほかで使われています",
        ErrorKind::AddrNotAvailable => "このアドレスはこのマシンにありません",
        ErrorKind::ConnectionRefused => "接続を拒否されました",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => "接続が切れました",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::*;
    use crate::say;

    #[test]
    fn common_errors_of_the_system_have_words() {
        for kind in [
            ErrorKind::NotFound,
            ErrorKind::PermissionDenied,
            ErrorKind::StorageFull,
            ErrorKind::IsADirectory,
            ErrorKind::AlreadyExists,
            ErrorKind::BrokenPipe,
        ] {
            let (error, japanese) = (std::io::Error::from(kind), in_japanese(kind).unwrap());
            assert_eq!(error.said(), Text::new(error.to_string(), japanese.to_owned()));
        }
        // ENOENT and ENOSPC have these numbers on every Unix.
        #[cfg(unix)]
        for (number, expected) in [(2, "見つかりません (os error 2)"), (28, "ディスクの空きがありません (os error 28)")]
        {
            let said = std::io::Error::from_raw_os_error(number).said();
            assert_eq!(said.in_language(Language::Ja), expected);
        }
    }

    #[test]
    fn what_travelled_inside_speaks_for_itself() {
        let ours = say!("the file is empty", "ファイルが空です");
        assert_eq!(std::io::Error::other(ours.clone()).said(), ours);
        let foreign = std::io::Error::new(ErrorKind::NotFound, "no such row");
        assert_eq!(foreign.said(), Text::same("no such row"));
    }
}
