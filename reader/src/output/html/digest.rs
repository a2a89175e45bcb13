//! Names a text by its hash, as a Content-Security-Policy wants it: `sha256-` and base64.
//!
//! A wrong hash is no danger: a browser computes it too, and runs nothing that differs. So this
//! needs no library; SHA-256 is FIPS 180-4, base64 is RFC 4648.

#![forbid(unsafe_code)]

/// The source expression that lets a browser take exactly this text as a script or style sheet.
pub(crate) fn source_expression(text: &str) -> String {
    format!("'sha256-{}'", base64(&sha256(text.as_bytes())))
}

const BLOCK_BYTES: usize = 64;

fn sha256(message: &[u8]) -> [u8; 32] {
    // The message ends in a one bit, zeros, and its length in bits.
    let mut padded = message.to_vec();
    padded.push(0x80);
    let fill = (BLOCK_BYTES + 56 - padded.len() % BLOCK_BYTES) % BLOCK_BYTES;
    padded.resize(padded.len() + fill, 0);
    padded.extend((message.len() as u64 * 8).to_be_bytes());

    let mut state = roots(8, f64::sqrt);
    let rounds = roots(64, f64::cbrt);
    let (blocks, _) = padded.as_chunks::<BLOCK_BYTES>();
    for block in blocks {
        absorb(&mut state, &rounds, block);
    }
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// Mixes one block into the state.
fn absorb(state: &mut [u32], rounds: &[u32], block: &[u8; BLOCK_BYTES]) {
    let mut words = [0u32; 64];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for index in 16..64 {
        let (early, late) = (words[index - 15], words[index - 2]);
        let early = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3);
        let late = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10);
        words[index] = words[index - 16]
            .wrapping_add(early)
            .wrapping_add(words[index - 7])
            .wrapping_add(late);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state else {
        unreachable!("the state has eight words");
    };
    for (word, round) in words.iter().zip(rounds) {
        let sum_e = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let first = h.wrapping_add(sum_e).wrapping_add(choice);
        let first = first.wrapping_add(*round).wrapping_add(*word);
        let sum_a = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let majority = (a & b) ^ (a & c) ^ (b & c);
        let second = sum_a.wrapping_add(majority);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(second));
    }
    for (word, mixed) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(mixed);
    }
}

/// The first 32 bits behind the point of a root of each of the first primes: the standard's
/// constants, computed as it defines them.
fn roots(count: usize, root: fn(f64) -> f64) -> Vec<u32> {
    let is_prime = |number: &u32| (2..*number).all(|divisor| !number.is_multiple_of(divisor));
    let primes = (2..).filter(is_prime).take(count);
    let fraction = |prime: u32| root(f64::from(prime)).fract() * 4_294_967_296.0;
    primes.map(|prime| fraction(prime) as u32).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            let is_padding = digit > group.len();
            text.push(if is_padding {
                '='
            } else {
                DIGITS[value as usize].into()
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected ones are what `openssl dgst -sha256 -binary | base64` says.
    fn check(text: &str, expected: &str) {
        assert_eq!(source_expression(text), format!("'sha256-{expected}'"));
    }

    #[test]
    fn hashes_are_those_of_the_standard() {
        check("", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        check("abc", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    }

    #[test]
    fn a_text_may_end_anywhere_in_a_block() {
        check(
            &"a".repeat(55),
            "n0OQ+NMMLdkuyfCVtl4rmumwqSWlJY4kHJ8ekQ9zQxg=",
        );
    }
}
