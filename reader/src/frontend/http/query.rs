//! What stands behind the question mark of an address.

#![forbid(unsafe_code)]

/// Names and values, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads `a=1&b=2`; what is no UTF-8 becomes replacement characters, and so no name of ours.
    pub(super) fn parse(text: &str) -> Query {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name, true), decoded(value, true))
        });
        Query {
            pairs: pairs.collect(),
        }
    }

    /// The first value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs.iter();
        pairs
            .find(|(own, _)| own == name)
            .map(|(_, value)| &**value)
    }

    /// The names that are none of `known`; a mistyped name would else go unnoticed.
    pub(super) fn unknown(&self, known: &[&str]) -> Option<&str> {
        let mut names = self.pairs.iter().map(|(name, _)| &**name);
        names.find(|name| !known.contains(name) && *name != "token")
    }
}

/// A text with its `%41` as bytes; in queries `+` is a space.
pub(super) fn decoded(text: &str, is_query: bool) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let digits = bytes.get(place + 1..place + 3);
        let escaped = digits.and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            // from_str_radix would take a sign.
            let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)
        });
        match (byte, escaped) {
            (b'%', Some(escaped)) => {
                decoded.push(escaped);
                place += 2;
            }
            (b'+', _) if is_query => decoded.push(b' '),
            (byte, _) => decoded.push(*byte),
        }
        place += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let pairs = expected.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let pairs = pairs.collect();
        assert_eq!(Query::parse(text), Query { pairs }, "{text}");
    }

    #[test]
    fn values_are_decoded() {
        check("", &[]);
        check("pid=12&top=3", &[("pid", "12"), ("top", "3")]);
        check("program=a+b%20c%26d", &[("program", "a b c&d")]);
        check("gc", &[("gc", "")]);
        check("a=%zz%4&b=%+1", &[("a", "%zz%4"), ("b", "% 1")]);
        check("a=%ff", &[("a", "\u{fffd}")]);
    }

    #[test]
    fn a_mistyped_name_is_found() {
        let query = Query::parse("pid=1&token=x&secnds=3");
        assert_eq!(query.unknown(&["pid", "seconds"]), Some("secnds"));
        assert_eq!(Query::parse("pid=1&token=x").unknown(&["pid"]), None);
    }
}
