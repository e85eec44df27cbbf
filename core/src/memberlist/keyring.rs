//! Keys, and what they seal. Source: `hashicorp/memberlist` `keyring.go` and `security.go`.
//!
//! Sealed bytes: version (0 or 1), nonce of 12 bytes, AES-GCM ciphertext, tag of 16 bytes. Version 0 pads the
//! plaintext (PKCS #7, block 16) before.

use std::{fmt, sync::Arc};

use aes_gcm::{
    Aes128Gcm, Aes256Gcm, AesGcm, KeyInit,
    aead::{AeadInPlace, consts::U12},
    aes::Aes192,
};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const BLOCK: usize = 16;

/// Bytes of version, nonce and tag.
const SEAL_LEN: usize = 1 + NONCE_LEN + TAG_LEN;

/// The highest encryption version.
pub(super) const NEWEST_SEAL: u8 = 1;

/// The bytes that sealing adds at most: 45 in version 0, 29 in version 1. Also the length of the shortest
/// sealed bytes.
pub(super) fn seal_overhead(version: u8) -> usize {
    if version == 0 { SEAL_LEN + BLOCK } else { SEAL_LEN }
}

/// Length of `plain` bytes when sealed.
pub(super) fn sealed_len(version: u8, plain: usize) -> usize {
    let padding = if version == 0 { BLOCK - plain % BLOCK } else { 0 };
    SEAL_LEN + plain + padding
}

/// Why keys were not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// A key has 16, 24 or 32 bytes; this one has so many.
    Length(usize),
    /// Only an installed key can be made primary.
    Unknown,
    /// The primary key cannot be removed.
    Primary,
    /// The node runs without encryption: with a key it would be cut off from those that do too.
    Plain,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(len) => write!(f, "a key has 16, 24 or 32 bytes, not {len}"),
            Self::Unknown => f.write_str("the key is not installed"),
            Self::Primary => f.write_str("the primary key cannot be removed"),
            Self::Plain => f.write_str("this node was started without keys and runs without encryption"),
        }
    }
}

impl std::error::Error for KeyError {}

/// Why sealed bytes were not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealError {
    /// Nothing, or fewer bytes than sealing adds.
    Short,
    /// An encryption version above 1.
    Version(u8),
    /// No key opens them.
    NoKey,
    /// A key opens them, but the padding is wrong.
    Padding,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("sealed payload is too small"),
            Self::Version(version) => write!(f, "unsupported encryption version {version}"),
            Self::NoKey => f.write_str("no installed keys could decrypt the message"),
            Self::Padding => f.write_str("wrong padding"),
        }
    }
}

impl std::error::Error for SealError {}

/// The keys of a cluster. The first one, the primary, seals; all of them open, tried in order. Without keys
/// nothing is sealed. Cloning shares the keys.
#[derive(Clone, Default)]
pub struct Keyring(Vec<Arc<Key>>);

impl Keyring {
    /// A keyring of `keys`, the first of which is primary. Keys that are there twice are taken once.
    pub fn new(keys: &[impl AsRef<[u8]>]) -> Result<Self, KeyError> {
        let mut ring = Self::default();
        keys.iter().try_for_each(|key| ring.add(key.as_ref()))?;
        Ok(ring)
    }

    /// Installs a key; the first one becomes primary. Nothing happens if it is there.
    pub fn add(&mut self, key: &[u8]) -> Result<(), KeyError> {
        let key = Key::new(key)?;
        if self.position(&key.bytes).is_none() {
            self.0.push(Arc::new(key));
        }
        Ok(())
    }

    /// Makes an installed key primary; the others keep their order.
    pub fn use_key(&mut self, key: &[u8]) -> Result<(), KeyError> {
        let at = self.position(key).ok_or(KeyError::Unknown)?;
        if let Some(used) = self.0.get_mut(..=at) {
            used.rotate_right(1);
        }
        Ok(())
    }

    /// Removes a key. Nothing happens if it is not there.
    pub fn remove(&mut self, key: &[u8]) -> Result<(), KeyError> {
        match self.position(key) {
            Some(0) => return Err(KeyError::Primary),
            Some(at) => drop(self.0.remove(at)),
            None => {}
        }
        Ok(())
    }

    /// The key that seals.
    pub fn primary(&self) -> Option<&[u8]> {
        self.0.first().map(|key| key.bytes.as_slice())
    }

    /// The keys, the primary first.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.0.iter().map(|key| key.bytes.as_slice())
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key, hence no encryption.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `plaintext` sealed with the primary key and bound to `aad`; `None` without keys. A nonce must never be
    /// used twice with one key.
    pub fn seal(&self, version: u8, plaintext: &[u8], aad: &[u8], nonce: [u8; NONCE_LEN]) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        let mut body = Vec::with_capacity(plaintext.len() + seal_overhead(version));
        body.extend(plaintext);
        if version == 0 {
            pad(&mut body);
        }
        let tag = key.cipher.encrypt(nonce, aad, &mut body)?;
        let head = [version.min(NEWEST_SEAL)].into_iter().chain(nonce);
        body.splice(..0, head);
        body.extend(tag);
        Some(body)
    }

    /// Opens what [`Self::seal`] made, also with a key that is no longer primary. Returns the plaintext and
    /// which key opened it. The version byte is not authenticated.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<(Vec<u8>, usize), SealError> {
        let (&version, rest) = sealed.split_first().ok_or(SealError::Short)?;
        if version > NEWEST_SEAL {
            return Err(SealError::Version(version));
        }
        if sealed.len() < seal_overhead(version) {
            return Err(SealError::Short);
        }
        let (nonce, rest) = rest.split_first_chunk().ok_or(SealError::Short)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or(SealError::Short)?;
        let opened = self.0.iter().enumerate().find_map(|(index, key)| {
            let mut body = ciphertext.to_vec();
            key.cipher.decrypt(*nonce, aad, &mut body, *tag).then_some((body, index))
        });
        let (mut body, index) = opened.ok_or(SealError::NoKey)?;
        if version == 0 {
            unpad(&mut body)?;
        }
        Ok((body, index))
    }

    fn position(&self, wanted: &[u8]) -> Option<usize> {
        self.0.iter().position(|key| key.bytes.ct_eq(wanted).into())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({} keys)", self.0.len())
    }
}

fn pad(body: &mut Vec<u8>) {
    let count = BLOCK - body.len() % BLOCK;
    body.resize(body.len() + count, u8::try_from(count).unwrap_or_default());
}

fn unpad(body: &mut Vec<u8>) -> Result<(), SealError> {
    let count = *body.last().ok_or(SealError::Padding)?;
    let kept = body.len().checked_sub(count.into()).ok_or(SealError::Padding)?;
    let padding = body.get(kept..).unwrap_or_default();
    if !(1..=BLOCK).contains(&padding.len()) || padding.iter().any(|byte| *byte != count) {
        return Err(SealError::Padding);
    }
    body.truncate(kept);
    Ok(())
}

/// A key and its expanded form; both are overwritten when dropped.
struct Key {
    bytes: Zeroizing<Vec<u8>>,
    cipher: Cipher,
}

impl Key {
    fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let cipher = match bytes.len() {
            16 => Aes128Gcm::new_from_slice(bytes).map(|cipher| Cipher::Aes128(Box::new(cipher))),
            24 => AesGcm::new_from_slice(bytes).map(|cipher| Cipher::Aes192(Box::new(cipher))),
            _ => Aes256Gcm::new_from_slice(bytes).map(|cipher| Cipher::Aes256(Box::new(cipher))),
        };
        let cipher = cipher.map_err(|_| KeyError::Length(bytes.len()))?;
        Ok(Self { bytes: Zeroizing::new(bytes.to_vec()), cipher })
    }
}

enum Cipher {
    Aes128(Box<Aes128Gcm>),
    Aes192(Box<AesGcm<Aes192, U12>>),
    Aes256(Box<Aes256Gcm>),
}

impl Cipher {
    /// Encrypts in place and returns the tag; `None` only beyond the 64 GiB that GCM can do.
    fn encrypt(&self, nonce: [u8; NONCE_LEN], aad: &[u8], body: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        let nonce = &nonce.into();
        let tag = match self {
            Self::Aes128(cipher) => cipher.encrypt_in_place_detached(nonce, aad, body),
            Self::Aes192(cipher) => cipher.encrypt_in_place_detached(nonce, aad, body),
            Self::Aes256(cipher) => cipher.encrypt_in_place_detached(nonce, aad, body),
        };
        tag.ok().map(Into::into)
    }

    /// Decrypts in place; false if the tag does not match.
    fn decrypt(&self, nonce: [u8; NONCE_LEN], aad: &[u8], body: &mut [u8], tag: [u8; TAG_LEN]) -> bool {
        let (nonce, tag) = (&nonce.into(), &tag.into());
        let result = match self {
            Self::Aes128(cipher) => cipher.decrypt_in_place_detached(nonce, aad, body, tag),
            Self::Aes192(cipher) => cipher.decrypt_in_place_detached(nonce, aad, body, tag),
            Self::Aes256(cipher) => cipher.decrypt_in_place_detached(nonce, aad, body, tag),
        };
        result.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 16] = [1; 16];
    const B: [u8; 24] = [2; 24];
    const C: [u8; 32] = [3; 32];

    fn ring() -> Keyring {
        Keyring::new(&[&A[..], &B, &C]).unwrap()
    }

    /// Which key of `ring` opens what `other` seals.
    fn opened_by(ring: &Keyring, other: &Keyring) -> Result<usize, SealError> {
        let sealed = other.seal(1, b"plain", b"aad", [7; 12]).unwrap();
        ring.open(&sealed, b"aad").map(|(_, key)| key)
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let ring = ring();
        assert_eq!((ring.primary(), ring.len()), (Some(&A[..]), 3));
        for (place, key) in [&A[..], &B, &C].into_iter().enumerate() {
            assert_eq!(opened_by(&ring, &Keyring::new(&[key]).unwrap()), Ok(place));
        }
        assert_eq!(opened_by(&ring, &Keyring::new(&[[4; 32]]).unwrap()), Err(SealError::NoKey));
        assert_eq!(Keyring::default().seal(1, b"plain", b"", [7; 12]), None);
    }

    #[test]
    fn a_key_is_installed_once() {
        let mut ring = ring();
        ring.add(&B).unwrap();
        assert_eq!(ring.keys().collect::<Vec<_>>(), [&A[..], &B, &C]);
    }

    #[test]
    fn another_key_is_used_and_the_others_keep_their_order() {
        let mut ring = ring();
        ring.use_key(&C).unwrap();
        assert_eq!(ring.keys().collect::<Vec<_>>(), [&C[..], &A, &B]);
        assert_eq!(opened_by(&Keyring::new(&[C]).unwrap(), &ring), Ok(0), "it seals from now on");
        ring.use_key(&C).unwrap();
        assert_eq!(ring.primary(), Some(&C[..]));
        assert_eq!(ring.use_key(&[9; 16]), Err(KeyError::Unknown));
        assert_eq!(ring.primary(), Some(&C[..]));
    }

    #[test]
    fn a_key_removed_opens_no_more_and_the_one_in_use_stays() {
        let mut ring = ring();
        ring.remove(&B).unwrap();
        assert_eq!(opened_by(&ring, &Keyring::new(&[B]).unwrap()), Err(SealError::NoKey));
        assert_eq!(ring.remove(&A), Err(KeyError::Primary));
        assert_eq!(ring.keys().collect::<Vec<_>>(), [&A[..], &C], "what is listed is what opens");
        assert_eq!(opened_by(&ring, &Keyring::new(&[A]).unwrap()), Ok(0));
        ring.remove(&[9; 16]).unwrap();
        assert_eq!(ring.len(), 2);
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_changes_nothing() {
        let mut ring = ring();
        for len in [0, 1, 15, 17, 23, 25, 31, 33, 64] {
            assert_eq!(ring.add(&vec![1; len]), Err(KeyError::Length(len)));
        }
        assert_eq!(ring.len(), 3);
        assert_eq!(Keyring::new(&[&[1; 16][..], &[1; 8]]).err(), Some(KeyError::Length(8)));
    }

    #[test]
    fn keys_that_differ_anywhere_are_different() {
        let mut ring = Keyring::new(&[[5; 32]]).unwrap();
        for place in 0..32 {
            let mut near = [5; 32];
            near[place] ^= 0x80;
            assert_eq!(ring.use_key(&near), Err(KeyError::Unknown), "byte {place}");
        }
        assert_eq!(ring.use_key(&[5; 16]), Err(KeyError::Unknown), "nor is a part of a key that key");
    }

    #[test]
    fn what_is_printed_shows_no_key() {
        let ring = Keyring::new(&[[0xab; 16]]).unwrap();
        assert_eq!(format!("{ring:?}"), "Keyring(1 keys)");
        let mut config = crate::memberlist::Config::lan("a", ([127, 0, 0, 1], 1).into());
        config.keyring = ring;
        let shown = format!("{config:?} {config:#?}");
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
    }

    #[test]
    fn keys_and_their_expanded_forms_are_wiped_by_their_types() {
        fn wiped<T: zeroize::ZeroizeOnDrop>() {}
        wiped::<Zeroizing<Vec<u8>>>();
        let _: fn(&Key) -> &Zeroizing<Vec<u8>> = |key| &key.bytes;
        wiped::<aes_gcm::aes::Aes128>();
        wiped::<Aes192>();
        wiped::<aes_gcm::aes::Aes256>();
    }
}
