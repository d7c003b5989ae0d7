//! Answers that come piece by piece.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use tokio::sync::mpsc;

/// A body whose pieces come out of a channel. `with` lives as long as the client listens.
struct Pieces<T> {
    receive: mpsc::Receiver<Bytes>,
    _with: T,
}

impl<T: Unpin> HttpBody for Pieces<T> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.receive.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// An answer of this type, and what its pieces are sent with.
pub fn stream(media: &'static str, with: impl Send + Unpin + 'static) -> (mpsc::Sender<Bytes>, Response) {
    let (send, receive) = mpsc::channel(1);
    let mut response = Body::new(Pieces { receive, _with: with }).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep it back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    (send, response)
}
