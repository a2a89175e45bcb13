//! A profile as Pyroscope's `/ingest` takes it, and Alloy's `pyroscope.receive_http`.
//!
//! ```text
//! POST /ingest?name=APP{label=value,...}&from=SECONDS&until=SECONDS&spyName=memshim
//! multipart/form-data:  profile             gzipped profile.proto
//!                       sample_type_config  that alloc_* are of this time alone, and not sums
//! ```
//!
//! Older servers take `alloc_*` for sums since the start unless the form says otherwise, and newer
//! ones refuse the previous profile that these would need; with differences and a configuration of
//! our own both do the same. With `format=pprof` the form would be taken for the profile.

#![forbid(unsafe_code)]

use std::fmt::Write as _;

/// What stands between the parts; no gzip stream begins a line with it.
const BOUNDARY: &str = "memshim-5d1c7f0b9a3e48d2-part";

/// The value of `Content-Type`.
pub const CONTENT_TYPE: &str = "multipart/form-data; boundary=memshim-5d1c7f0b9a3e48d2-part";

/// What the sample types mean (`SampleTypeConfig` of Pyroscope).
const SAMPLE_TYPES: &str = r#"{"alloc_objects":{"units":"objects","aggregation":"sum","sampled":true},"alloc_space":{"units":"bytes","aggregation":"sum","sampled":true},"inuse_objects":{"units":"objects","aggregation":"average"},"inuse_space":{"units":"bytes","aggregation":"average"}}"#;

/// The body of a request.
pub fn body(profile: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(profile.len() + SAMPLE_TYPES.len() + 512);
    let mut part = |name: &str, file: &str, content: &[u8]| {
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; \
             filename=\"{file}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    };
    part("profile", "profile.pprof", profile);
    let config = SAMPLE_TYPES.as_bytes();
    part("sample_type_config", "sample_type_config.json", config);
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// The address of a request, with the name of the application, its labels and the time in it.
pub fn address(
    server: &str,
    name: &str,
    labels: &[(String, String)],
    (from_seconds, until_seconds): (u64, u64),
) -> String {
    let labels: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{}={}", label_name(name), plain(value)))
        .collect();
    let key = format!("{}{{{}}}", plain(name), labels.join(","));
    format!(
        "{}/ingest?name={}&from={from_seconds}&until={until_seconds}&spyName=memshim",
        server.trim_end_matches('/'),
        escaped(&key)
    )
}

/// A name or value that can end neither itself nor the list of labels, whatever a program is
/// called; the server takes no escapes.
fn plain(text: &str) -> String {
    let is_plain = |character: char| {
        character.is_alphanumeric() || matches!(character, '_' | '-' | '.' | '/' | ':' | '+' | ' ')
    };
    let cleaned = text
        .chars()
        .map(|character| if is_plain(character) { character } else { '_' });
    let cleaned: String = cleaned.collect();
    match cleaned.trim() {
        "" => "unknown".to_owned(),
        text => text.to_owned(),
    }
}

/// A name of a label as Prometheus has them.
fn label_name(text: &str) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let cleaned = text.chars();
    cleaned
        .map(|character| if is_plain(character) { character } else { '_' })
        .collect()
}

/// A text as the value of a query (RFC 3986).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(byte.into());
            }
            // Writing to a string cannot fail.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_programs_cannot_become_labels() {
        let labels = [("host".to_owned(), "a,b=c}".to_owned())];
        let found = address("http://pyroscope:4040/", "x{y=\"z\"}", &labels, (10, 25));
        assert_eq!(
            found,
            "http://pyroscope:4040/ingest?name=x_y__z__%7Bhost%3Da_b_c_%7D\
             &from=10&until=25&spyName=memshim"
        );
        let nameless = address("http://p", "", &[], (0, 1));
        assert!(nameless.contains("name=unknown%7B%7D"), "{nameless}");
    }

    #[test]
    fn the_form_has_the_profile_as_it_is_and_says_what_it_means() {
        let profile = [0u8, 255, 13, 10, 45, 45];
        let body = body(&profile);
        let parts = body.windows(profile.len()).filter(|part| *part == profile);
        assert_eq!(parts.count(), 1);
        let text = String::from_utf8_lossy(&body);
        assert_eq!(text.matches(&format!("--{BOUNDARY}")).count(), 3);
        assert!(CONTENT_TYPE.ends_with(BOUNDARY));
        let config: serde_json::Value =
            serde_json::from_str(SAMPLE_TYPES).expect("the configuration is JSON");
        assert!(config["alloc_space"]["cumulative"].is_null());
    }
}
