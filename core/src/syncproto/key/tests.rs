use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    form::{PARTS, Part, Segment},
    table::FORMS,
    *,
};

const GENERATIONS: [Generation; 2] = [Generation::V3_2_5, Generation::Today];

fn name() -> impl Strategy<Value = Vec<u8>> {
    let odd = select(vec!["%", "/", "%2f", "%25", "%2F", "%252f", "staged:", "knp.default.", "\n", "é", "a"]);
    let text = vec(odd, 1..5).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof!["[a-z]{1,8}".prop_map(String::into_bytes), text, vec(any::<u8>(), 1..6)]
}

fn cidr() -> impl Strategy<Value = Vec<u8>> {
    let (v4, v6) = (any::<[u8; 4]>(), any::<[u8; 16]>());
    let v4 = (v4, 0..=32_u8).prop_map(|(address, bits)| Cidr::new(address.into(), bits).unwrap());
    let v6 = (v6, 0..=128_u8).prop_map(|(address, bits)| Cidr::new(address.into(), bits).unwrap());
    prop_oneof![v4, v6].prop_map(|cidr| cidr.to_string().replace('/', "-").into_bytes())
}

/// A segment that this part of a path can be, and that is written as it was read.
fn segment(how: Segment) -> BoxedStrategy<Vec<u8>> {
    let escaped = |name: Vec<u8>| {
        let mut out = Vec::new();
        Text::from(name).escape(&mut out);
        out
    };
    let without = |bad: &'static [u8]| {
        name().prop_map(move |mut name| {
            name.retain(|byte| !bad.contains(byte));
            name.push(b'x');
            name
        })
    };
    match how {
        Segment::Escaped => name().prop_map(escaped).boxed(),
        Segment::Plain | Segment::Host => without(b"/%").boxed(),
        Segment::Namespace => prop_oneof![Just(Vec::new()), without(b"/%")].boxed(),
        Segment::Raw => without(b"/").boxed(),
        Segment::Rest => without(b"\n").boxed(),
        Segment::Cidr => cidr().boxed(),
    }
}

/// A kind of key that is in the table, whose parser knows it, and segments for its path.
fn cases() -> impl Strategy<Value = (&'static Form, Generation, Vec<Vec<u8>>)> {
    let known: Vec<_> = GENERATIONS
        .iter()
        .flat_map(|&parser| FORMS.iter().map(move |form| (form, parser)))
        .filter(|(form, parser)| form.parsers.include(*parser))
        .collect();
    select(known).prop_flat_map(|(form, parser)| {
        let segments: Vec<_> = form.parts.iter().map(|(_, how)| segment(*how)).collect();
        (Just(form), Just(parser), segments)
    })
}

fn texts<'k>(key: &'k Key<'_>) -> Vec<Text<'k>> {
    if let Key::Resource { namespace, name, .. } = key {
        return vec![namespace.clone(), name.clone()];
    }
    let text = |part| match part {
        Part::Text(text) => Some(text.clone()),
        Part::Cidr(_) => None,
    };
    key.parts().into_iter().filter_map(text).collect()
}

/// Paths that are nearly keys, some of them quite.
fn near_paths() -> impl Strategy<Value = Vec<u8>> {
    let mut words: Vec<String> =
        ["", "x", "%2f", "%", "10.0.0.0-8", "::1-128", "v4", "ipv6", "nodes", "networksets"]
            .map(String::from)
            .to_vec();
    let roots: Vec<_> = FORMS.iter().map(|form| form.path.replace('?', "4")).collect();
    words.extend(roots.iter().flat_map(|path| path.split('/').map(String::from)));
    let from_form = (select(roots), vec(select(words.clone()), PARTS + 2)).prop_map(|(path, words)| {
        let mut words = words.into_iter();
        let mut filled = path;
        while filled.contains("{}") {
            filled = filled.replacen("{}", &words.next().unwrap_or_default(), 1);
        }
        format!("{filled}{}", words.next().filter(|word| word.len() == 1).map_or("", |_| "/x")).into_bytes()
    });
    let resource = vec(select(words.clone()), 1..4)
        .prop_map(|words| format!("/calico/resources/v3/projectcalico.org/{}", words.join("/")).into_bytes());
    let free = vec(select(words), 0..8).prop_map(|words| words.join("/").into_bytes());
    prop_oneof![from_form, resource, free, vec(any::<u8>(), 0..60)]
}

proptest! {
    #[test]
    fn a_key_is_read_from_its_own_path((form, parser, segments) in cases()) {
        let mut found = [&[][..]; PARTS];
        found.iter_mut().zip(&segments).for_each(|(slot, segment)| *slot = segment);
        let mut key = Key::build(form.kind, found, parser).unwrap();
        if let (Key::LegacyPolicy { tier, .. }, Generation::V3_2_5) = (&mut key, parser) {
            *tier = "default".into();
        }
        let path = key.to_path().unwrap();
        prop_assert_eq!(Key::parse(&path, parser), Ok(key.clone()));
        prop_assert_eq!(key.clone().into_owned(), key);
    }

    #[test]
    fn a_path_written_once_is_written_alike_again(path in near_paths()) {
        for parser in GENERATIONS {
            let Ok(key) = Key::parse(&path, parser) else { continue };
            let Ok(written) = key.to_path() else { continue };
            // Names that are unescaped when read and not escaped when written have no such law.
            if !path.contains(&b'%') {
                let again = Key::parse(&written, parser).unwrap();
                prop_assert_eq!(&again, &key);
                prop_assert_eq!(again.to_path(), Ok(written));
            }
        }
    }

    #[test]
    fn names_borrow_from_a_path_without_escapes(path in near_paths()) {
        for parser in GENERATIONS {
            if let Ok(key) = Key::parse(&path, parser) && !path.contains(&b'%') {
                prop_assert!(texts(&key).iter().all(Text::is_borrowed));
                prop_assert!(texts(&key.upgrade().0).iter().all(Text::is_borrowed));
            }
        }
    }

    #[test]
    fn what_is_no_key_goes_astray_at_a_segment(path in near_paths()) {
        for parser in GENERATIONS {
            if let Err(BadKey::Unknown { at }) = Key::parse(&path, parser) {
                prop_assert!(at == 0 || path.get(at - 1) == Some(&b'/'), "{at}");
            }
        }
    }

    #[test]
    fn any_name_is_unescaped_from_what_it_was_escaped_to(name in name()) {
        let mut segment = Vec::new();
        Text::from(name.clone()).escape(&mut segment);
        prop_assert!(!segment.contains(&b'/'));
        prop_assert_eq!(Text::unescape(&segment), Text::from(name));
    }

    #[test]
    fn unescaping_is_that_of_the_peer(name in name()) {
        let name = String::from_utf8_lossy(&name).into_owned();
        let theirs = name.replace("%2f", "/").replace("%25", "%");
        prop_assert_eq!(Text::unescape(name.as_bytes()), theirs.as_str());
    }
}

fn today(path: &str) -> Result<Key<'_>, BadKey> {
    Key::parse(path, Generation::Today)
}

#[test]
fn every_form_has_a_place_for_each_of_its_parts() {
    for form in FORMS {
        assert_eq!(form.path.matches("{}").count(), form.parts.len(), "{}", form.path);
        assert!(form.parts.len() <= PARTS, "{}", form.path);
    }
}

#[test]
fn it_is_said_which_part_of_a_path_is_wrong() {
    let wrong = [
        ("", BadKey::Unknown { at: 0 }),
        ("/registry/pods/x", BadKey::Unknown { at: 1 }),
        ("/calico/v1/hosts/a", BadKey::Unknown { at: 11 }),
        ("/calico/v1/host/node/wire", BadKey::Unknown { at: 21 }),
        ("/calico/v1/policy/tier/t/x", BadKey::Unknown { at: 25 }),
        ("/calico/v1/netset/a/b", BadKey::Unknown { at: 18 }),
        ("/calico/bgp/v1/global/", BadKey::Missing("name")),
        ("/calico/v1/ipam/v4/pool/10.0.0.0-33", BadKey::Cidr),
        ("/calico/resources/v3/projectcalico.org/widgets/x", BadKey::Resource),
    ];
    for (path, why) in wrong {
        assert_eq!(today(path), Err(why), "{path}");
    }
    let node = ResourceKind::named("node").unwrap();
    let global = today("/calico/resources/v3/projectcalico.org/nodes/ns/n");
    assert_eq!(global, Err(BadKey::Scope(node)));
}

#[test]
fn segments_are_taken_and_refused_as_each_generation_does() {
    for (path, old, new) in [
        ("/calico/v1/config", false, true),
        ("/calico/v1/host/h/config", false, true),
        ("/calico/v1/config/a\nb", false, true),
        ("/calico/bgp/v1/global/a\nb", false, false),
        ("//calico/v1/config/a", false, false),
        ("/calico/v1/ipam/v\u{e9}/pool/10.0.0.0-8", true, true),
        ("/calico/v1/ipam/v44/pool/10.0.0.0-8", false, false),
        ("/calico/v1/ipam/v\n/pool/10.0.0.0-8", false, false),
        ("/calico/v1/policy/tier/t/policy/", false, true),
        ("/calico/v1/policy/profile//rules", false, true),
        ("/calico/v1/policy/profile/p/rulesx", false, false),
        ("/calico/v1/policy/tier/a/b", false, false),
        ("/calico/v1/policy/profile/a/b", false, false),
        ("/calico/v1/policy/K/ns/p/x", false, false),
        ("/calico/ipam/v2/handle/", false, true),
        ("/calico/felix/v2//host/h/status", false, false),
        ("/calico/felix/v2/r/host/h/status/x", false, false),
        ("/calico/felix/v2/r/host/h/last_reported_status/x", false, true),
        ("/calico/felix/v2/r/host/h/last_reported_statusx", false, false),
    ] {
        assert_eq!(Key::parse(path, Generation::V3_2_5).is_ok(), old, "3.2.5: {path}");
        assert_eq!(today(path).is_ok(), new, "today: {path}");
    }
}

#[test]
fn today_unescapes_some_host_names() {
    for (path, old, new) in [
        ("/calico/v1/host/a%2fb/endpoint/e", "a%2fb", "a/b"),
        ("/calico/v1/host/a%2fb/config/c", "a%2fb", "a/b"),
        ("/calico/v1/host/a%2fb/workload/o/w/endpoint/e", "a%2fb", "a/b"),
    ] {
        for (parser, name) in [(Generation::V3_2_5, old), (Generation::Today, new)] {
            let key = Key::parse(path, parser).unwrap();
            assert_eq!(texts(&key)[0], name, "{path}");
        }
    }
    let metadata = Key::HostMetadata { host: "a%2fb".into() };
    assert_eq!(today("/calico/v1/host/a%2fb/metadata"), Ok(metadata));
}

#[test]
fn a_key_without_a_name_has_no_path_but_a_display() {
    let key = today("/calico/v1/host/node/workload/k8s/w/endpoint/").unwrap();
    assert_eq!(key.to_path(), Err(BadKey::Missing("endpoint")));
    assert_eq!(key.to_string(), "/calico/v1/host/node/workload/k8s/w/endpoint/");
}

#[test]
fn some_policies_cannot_be_written_without_a_namespace() {
    for (kind, namespace, fits) in [
        ("NetworkPolicy", "", false),
        ("StagedNetworkPolicy", "", false),
        ("StagedKubernetesNetworkPolicy", "", false),
        ("NetworkPolicy", "ns", true),
        ("KubernetesNetworkPolicy", "", true),
    ] {
        let key = Key::Policy { kind: kind.into(), namespace: namespace.into(), name: "p".into() };
        let missing = if fits { None } else { Some(BadKey::Missing("namespace")) };
        assert_eq!(key.to_path().err(), missing, "{kind}");
    }
}

#[test]
fn ranges_are_read_as_each_generation_reads_them() {
    let read = |text: &str, parser| Cidr::read(text.as_bytes(), parser).map(|cidr| cidr.to_string());
    let both = [
        ("10.1.2.3-8", Some("10.0.0.0/8")),
        ("0.0.0.0-0", Some("0.0.0.0/0")),
        ("FD00::1-64", Some("fd00::/64")),
        ("1:0:0:2::3-128", Some("1:0:0:2::3/128")),
        ("::1.2.3.4-128", Some("::102:304/128")),
        ("10.0.0.0-33", None),
        ("10.0.0.0-+8", None),
        ("10.0.0.0-", None),
        ("10.0.0.0", None),
        ("01.0.0.0-8", None),
        ("10.0.0.0-8-9", None),
        ("fe80::1%eth0-64", None),
    ];
    for (text, range) in both {
        for parser in GENERATIONS {
            assert_eq!(read(text, parser).as_deref(), range, "{text}");
        }
    }
    let differ = [
        ("10.0.0.0-08", Some("10.0.0.0/8"), None),
        ("::ffff:1.2.3.4-120", Some("1.2.3.0/24"), Some("::ffff:1.2.3.0/120")),
    ];
    for (text, old, new) in differ {
        assert_eq!(read(text, Generation::V3_2_5).as_deref(), old, "{text}");
        assert_eq!(read(text, Generation::Today).as_deref(), new, "{text}");
    }
}

#[test]
fn a_kind_of_resource_is_found_by_its_name_in_any_case() {
    for kind in ResourceKind::all() {
        assert_eq!(ResourceKind::named(&kind.name().to_lowercase()), Some(kind));
    }
    assert_eq!(ResourceKind::all().count(), 29);
}
