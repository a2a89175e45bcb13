//! One answer: a status, what it is, and its bytes.

#![forbid(unsafe_code)]

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// What every answer forbids: being shown inside a stranger's page, being taken for another kind
/// of file, being kept, and telling others where the reader came from.
const ALWAYS: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// An answer that is whole in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    media_type: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    /// What was asked for.
    pub(super) fn of(media_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        Reply {
            status: 200,
            media_type: media_type.to_owned(),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Why there is nothing, in one line.
    pub(super) fn error(status: u16, reason: &str) -> Reply {
        let reason = reason.replace(char::is_control, " ");
        Reply {
            status,
            ..Reply::of("text/plain; charset=utf-8", format!("{reason}\n"))
        }
    }

    /// With one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Reply {
        self.headers.push((name, value.into()));
        self
    }

    /// The same bytes as something else.
    pub(super) fn described_as(mut self, media_type: &str) -> Reply {
        self.media_type = media_type.to_owned();
        self
    }

    /// As hyper sends it.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let own = [("content-type", self.media_type)].into_iter();
        let own = own.chain(self.headers);
        let always = ALWAYS
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        for (name, value) in always.chain(own) {
            // A value with a line break would be a header of somebody else's; it is left out.
            if let Ok(value) = HeaderValue::from_str(&value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_begin_a_header_or_a_line() {
        let reply = Reply::error(404, "no a\r\nset-cookie: b").with("x-a", "a\r\nx-b: c");
        assert_eq!(reply.body, b"no a  set-cookie: b\n");
        let response = reply.response();
        assert!(!response.headers().contains_key("x-a"));
        assert!(!response.headers().contains_key("x-b"));
        assert_eq!(response.headers()["x-frame-options"], "DENY");
    }
}
