//! Who may ask.
//!
//! A page of a stranger, open in the user's browser, can make a name of its own stand for this
//! machine (DNS rebinding) and would then pass for this server's own page. It cannot choose the
//! `Host` header, which is the stranger's name; so only addresses and names of ours are let in.

#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv6Addr};

use crate::frontend::http::query::Query;
use crate::frontend::http::reply::Reply;

/// The names that this server answers to, and the text that lets in.
#[derive(Debug, Clone)]
pub struct Guard {
    names: Vec<String>,
    token: Option<String>,
}

impl Guard {
    /// Lets in who asks for localhost, an address, or one of `names`, with the token if there is
    /// one.
    pub fn new(names: Vec<String>, token: Option<String>) -> Guard {
        Guard {
            names,
            token: token.filter(|token| !token.is_empty()),
        }
    }

    /// What to say to somebody who may not ask.
    pub(super) fn refusal(
        &self,
        host: Option<&str>,
        authorization: Option<&str>,
        query: &Query,
    ) -> Option<Reply> {
        if !host.is_some_and(|host| self.is_own(host)) {
            return Some(Reply::error(
                403,
                "this server does not answer to that name; start it with --allow-host NAME",
            ));
        }
        let Some(token) = &self.token else {
            return None;
        };
        let bearer = authorization.and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
        });
        let given = bearer.or_else(|| query.get("token")).unwrap_or_default();
        (!is_same(given, token)).then(|| {
            Reply::error(
                401,
                "the token is missing or wrong; send `Authorization: Bearer TOKEN`",
            )
            .with("www-authenticate", "Bearer")
        })
    }

    fn is_own(&self, host: &str) -> bool {
        let name = without_port(host);
        let is_address = name.parse::<IpAddr>().is_ok()
            || name
                .strip_prefix('[')
                .and_then(|name| name.strip_suffix(']'))
                .is_some_and(|name| name.parse::<Ipv6Addr>().is_ok());
        let is_name = |own: &str| name.trim_end_matches('.').eq_ignore_ascii_case(own);
        is_address || is_name("localhost") || self.names.iter().any(|own| is_name(own))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Takes the same time wherever two texts differ, so that nobody can guess letter by letter.
fn is_same(given: &str, wanted: &str) -> bool {
    let pairs = given.bytes().zip(wanted.bytes());
    let different = pairs.fold(0, |different, (left, right)| different | (left ^ right));
    different == 0 && given.len() == wanted.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, host: Option<&str>, sent: Option<&str>, query: &str) -> Option<u16> {
        let query = Query::parse(query);
        guard.refusal(host, sent, &query).map(|reply| reply.status)
    }

    fn check_host(host: Option<&str>, is_let_in: bool) {
        let guard = Guard::new(vec!["box.example".into()], None);
        let expected = (!is_let_in).then_some(403);
        assert_eq!(status(&guard, host, None, ""), expected, "{host:?}");
    }

    #[test]
    fn only_addresses_and_own_names_are_answered() {
        for host in [
            "localhost",
            "LOCALHOST:9464",
            "127.0.0.1:9464",
            "[::1]:9464",
            "192.168.1.7",
            "box.example:80",
            "box.example.",
        ] {
            check_host(Some(host), true);
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "[evil]",
            "",
        ] {
            check_host(Some(host), false);
        }
        check_host(None, false);
    }

    fn check_token(sent: Option<&str>, query: &str, is_let_in: bool) {
        let guard = Guard::new(Vec::new(), Some("secret".into()));
        let expected = (!is_let_in).then_some(401);
        assert_eq!(
            status(&guard, Some("localhost"), sent, query),
            expected,
            "{sent:?} {query}"
        );
    }

    #[test]
    fn the_token_comes_in_a_header_or_in_the_address() {
        check_token(Some("Bearer secret"), "", true);
        check_token(Some("bearer secret"), "", true);
        check_token(None, "token=secret", true);
        check_token(None, "", false);
        check_token(Some("Bearer secre"), "", false);
        check_token(Some("Bearer secrets"), "", false);
        check_token(Some("Basic secret"), "", false);
        check_token(None, "token=", false);
    }
}
