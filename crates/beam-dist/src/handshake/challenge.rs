//! Challenges and the digests that answer them.

use std::fmt;

use md5::{Digest as _, Md5};
use subtle::ConstantTimeEq;

use crate::Cookie;

/// A number that the other side must digest with the cookie to prove that it has it.
///
/// Good for one handshake only, which takes it by value.
pub struct Challenge(u32);

impl Challenge {
    /// Draws a challenge from the operating system's source of random numbers.
    ///
    /// # Errors
    ///
    /// When that source fails.
    pub fn random() -> Result<Self, getrandom::Error> {
        getrandom::u32().map(Self)
    }

    /// A challenge of choice, to repeat a handshake in a test.
    ///
    /// Whoever can foresee a challenge may pass the handshake with an answer overheard before.
    pub const fn predictable(challenge: u32) -> Self {
        Self(challenge)
    }

    pub(super) const fn get(&self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(…)")
    }
}

/// The answer to a challenge. Compared in constant time and never printed: with its challenge it
/// would let others try cookies at leisure.
pub(super) struct Digest([u8; Self::LEN]);

impl Digest {
    pub(super) const LEN: usize = 16;

    /// The digest that `cookie` makes of the number that was asked.
    pub(super) fn of(cookie: &Cookie, challenge: u32) -> Self {
        let md5 = Md5::new().chain_update(cookie.as_bytes());

        Self(md5.chain_update(challenge.to_string()).finalize().into())
    }

    pub(super) const fn from_wire(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(super) const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_md5_of_the_cookie_and_the_decimal_challenge() {
        let digest = Digest::of(&"c".parse().unwrap(), 154_946_874);

        assert_eq!(
            digest.as_bytes()[..],
            0x392a_f7d0_3242_1153_3177_ce54_cfc7_bc05_u128.to_be_bytes(),
        );
    }

    #[test]
    fn digests_of_other_cookies_or_challenges_differ() {
        let digest = |cookie: &str, challenge| Digest::of(&cookie.parse().unwrap(), challenge);

        assert!(digest("c", 1) == digest("c", 1));
        assert!(digest("c", 1) != digest("c", 2));
        assert!(digest("c", 1) != digest("d", 1));
    }

    #[test]
    fn a_challenge_is_never_printed() {
        assert_eq!(format!("{:?}", Challenge::predictable(77)), "Challenge(…)");
    }
}
