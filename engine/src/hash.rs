//! Answers: which number stands for a name that a peer chose, so that the peer cannot foresee it.
//!
//! All that goes into the hash besides the name comes from a secret: with constants that everybody can
//! read, a name might be made that cancels the secret. It must not know what is named.

use core::{
    fmt,
    hash::{Hash, Hasher},
};

use foldhash::{SharedSeed, fast::FoldHasher};

/// A hash with a secret of its own. Not a `BuildHasher`: those cannot lend what they hold.
#[derive(Clone)]
pub(crate) struct SecretHash {
    start: u64,
    seed: SharedSeed,
}

/// The secret stays one.
impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretHash").finish_non_exhaustive()
    }
}

impl SecretHash {
    /// `secret` must be unpredictable to peers.
    pub(crate) const fn new(secret: u64) -> Self {
        Self {
            start: secret,
            seed: SharedSeed::from_u64(secret),
        }
    }

    #[inline]
    pub(crate) fn of(&self, value: impl Hash) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.start, &self.seed);
        value.hash(&mut hasher);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_for_one_secret_and_another_for_another() {
        let (a, b) = (SecretHash::new(1), SecretHash::new(2));
        let names = ["", "a", "room", "a name that is longer than sixteen bytes"];
        for name in names {
            assert_eq!(a.of(name), a.clone().of(name));
            assert_ne!(a.of(name), b.of(name));
        }
    }

    /// With constants that everybody knows names can be made that collide under every secret: they end
    /// with one of the constants, which makes a factor zero.
    #[test]
    fn no_name_cancels_the_secret() {
        const KNOWN: u64 = 0x3f84_d5b5_b547_0917;
        let name = |other: u64| [other.to_ne_bytes(), KNOWN.to_ne_bytes()];
        let hash = |start, seed: &SharedSeed, name: &[[u8; 8]; 2]| {
            let mut hasher = FoldHasher::with_seed(start, seed);
            hasher.write(name.as_flattened());
            hasher.finish()
        };
        for secret in 3..10 {
            let known = SharedSeed::global_fixed();
            assert_eq!(hash(secret, known, &name(1)), hash(secret, known, &name(2)));
            let SecretHash { start, seed } = SecretHash::new(secret);
            assert_ne!(hash(start, &seed, &name(1)), hash(start, &seed, &name(2)));
        }
    }
}
