//! Which addresses a request may go to. A name says nothing about where it leads, so that this is asked of every
//! address that a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What it takes to reach an address. The texts complete the sentence "the address is …".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// No more than a grant.
    Public,
    /// A grant that says `private = true`.
    Private(&'static str),
    /// A grant that says so and whose URL names this very address: a name must not lead here by surprise.
    Literal(&'static str),
    /// Nothing helps: no request can sensibly go there.
    Never(&'static str),
}

const LINK_LOCAL: Reach = Reach::Literal("link-local, where cloud metadata lives");
const METADATA: Reach = Reach::Literal("one of cloud metadata");
const PRIVATE: Reach = Reach::Private("private");
const LOOPBACK: Reach = Reach::Private("loopback");
const RESERVED: Reach = Reach::Never("reserved");
const MULTICAST: Reach = Reach::Never("multicast");
const UNSPECIFIED: Reach = Reach::Never("unspecified");

/// What it takes to reach `address`.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [0, ..] => UNSPECIFIED,
        [127, ..] => LOOPBACK,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => PRIVATE,
        [169, 254, ..] => LINK_LOCAL,
        // Of Alibaba, and of Azure.
        [100, 100, 100, 200] | [168, 63, 129, 16] => METADATA,
        [100, 64..=127, ..] => Reach::Private("behind a carrier's NAT"),
        [198, 18..=19, ..] => Reach::Private("one of test networks"),
        [224..=239, ..] => MULTICAST,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] | [240..=255, ..] => RESERVED,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if let Some(embedded) = embedded(address) {
        return reach_v4(embedded);
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => UNSPECIFIED,
        [0, 0, 0, 0, 0, 0, 0, 1] => LOOPBACK,
        // Of Amazon, all of them: credentials of pods are beside them. And of Google.
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x254] => METADATA,
        [0xfe80..=0xfebf, ..] => LINK_LOCAL,
        [0xfc00..=0xfdff, ..] => Reach::Private("unique-local"),
        [0x64, 0xff9b, 1, ..] => of_ones_own_nat64(address),
        // Site-local ones.
        [0xfec0..=0xfeff, ..] => PRIVATE,
        [0xff00..=0xffff, ..] => MULTICAST,
        // Teredo, and what documentation uses.
        [0x2001, 0 | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => RESERVED,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => RESERVED,
    }
}

/// Prefixes of one's own embed any address in one of several ways, by their length: RFC 6052, section 2.2.
fn of_ones_own_nat64(address: Ipv6Addr) -> Reach {
    let [.., o6, o7, _, o9, o10, o11, o12, o13, o14, o15] = address.octets();
    let ways = [[o6, o7, o9, o10], [o7, o9, o10, o11], [o9, o10, o11, o12], [o12, o13, o14, o15]];
    let named = ways.into_iter().map(|octets| reach_v4(octets.into())).find(|reach| matches!(reach, Reach::Literal(_)));
    named.unwrap_or(PRIVATE)
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, translated, by NAT64 or by 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    Some(joined(high, low))
}

fn joined(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Reach {
        reach(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_need_no_more_than_a_grant() {
        for text in ["1.1.1.1", "93.184.216.34", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.167.0.1"]
        {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
        for text in ["2606:4700::1111", "2a00:1450:4001::1", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1", "2002:101:101::1"] {
            assert_eq!(of(text), Reach::Public, "{text}");
        }
    }

    #[test]
    fn addresses_of_the_house_need_private() {
        for text in ["127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"]
        {
            assert!(matches!(of(text), Reach::Private(_)), "{text}");
        }
        for text in ["::1", "fc00::1", "fd12:3456::1", "fec0::1", "64:ff9b:1::1", "198.18.0.1", "100.127.255.255"] {
            assert!(matches!(of(text), Reach::Private(_)), "{text}");
        }
    }

    #[test]
    fn metadata_and_link_local_addresses_have_to_be_named() {
        for text in ["169.254.169.254", "169.254.170.2", "168.63.129.16", "100.100.100.200"] {
            assert!(matches!(of(text), Reach::Literal(_)), "{text}");
        }
        for text in [
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1::a9:fea9:fe00:0",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ] {
            assert!(matches!(of(text), Reach::Literal(_)), "{text}");
        }
    }

    #[test]
    fn an_embedded_address_is_what_it_stands_for() {
        for prefix in ["::ffff:", "::", "::ffff:0:", "64:ff9b::"] {
            assert_eq!(of(&format!("{prefix}127.0.0.1")), LOOPBACK, "{prefix}");
            assert_eq!(of(&format!("{prefix}10.1.2.3")), PRIVATE, "{prefix}");
            assert_eq!(of(&format!("{prefix}169.254.169.254")), LINK_LOCAL, "{prefix}");
            assert_eq!(of(&format!("{prefix}224.0.0.1")), MULTICAST, "{prefix}");
        }
        assert_eq!(of("2002:7f00:1::"), LOOPBACK);
        assert_eq!(of("2002:a9fe:a9fe::1"), LINK_LOCAL);
    }

    #[test]
    fn some_addresses_nobody_reaches() {
        for text in ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "203.0.113.9"] {
            assert!(matches!(of(text), Reach::Never(_)), "{text}");
        }
        for text in ["::", "ff02::1", "2001:db8::1", "2001::1", "3fff::1", "100::1", "4000::1", "::ffff:0.0.0.0"] {
            assert!(matches!(of(text), Reach::Never(_)), "{text}");
        }
    }
}
