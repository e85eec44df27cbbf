//! Ranges of addresses, as IP pools and IPAM blocks have them in their paths.

use std::{fmt, net::IpAddr};

use super::Generation;

/// A range of addresses: a prefix whose other bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

impl Cidr {
    /// The range of `bits` bits around `address`, or `None` if an address has not so many.
    pub fn new(address: IpAddr, bits: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits.into())?).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits.into())?).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
        };
        Some(Self { address, bits })
    }

    /// The lowest address of the range.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits all addresses of the range share.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// 4 or 6.
    pub fn version(&self) -> u8 {
        if self.address.is_ipv4() { 4 } else { 6 }
    }

    /// Itself, as the other parts of a key have it.
    pub(super) fn into_owned(self) -> Self {
        self
    }

    /// Reads `10.0.0.0-8`; the `/` may stand for itself.
    ///
    /// 3.2.5 reads as Go's `net.ParseCIDR` (leading zeros; IPv4 in IPv6 is IPv4), today as `netip.ParsePrefix`.
    pub(super) fn read(segment: &[u8], parser: Generation) -> Option<Self> {
        let text = std::str::from_utf8(segment).ok()?;
        let (address, bits) = text.split_once(['-', '/'])?;
        let padded = bits.len() > 1 && bits.starts_with('0');
        if !bits.bytes().all(|byte| byte.is_ascii_digit()) || padded && parser == Generation::Today {
            return None;
        }
        let range = Self::new(address.parse().ok()?, bits.parse().ok()?)?;
        match (parser, range.address) {
            (Generation::V3_2_5, IpAddr::V6(v6)) if range.bits >= 96 => match v6.to_ipv4_mapped() {
                Some(v4) => Self::new(v4.into(), range.bits - 96),
                None => Some(range),
            },
            _ => Some(range),
        }
    }
}

/// `10.0.0.0/8`.
impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}
