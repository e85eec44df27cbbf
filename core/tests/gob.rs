//! Gob streams of user types: the bytes Go writes for them, and what a stream may not do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(missing_docs)]

use std::{collections::BTreeMap, fmt::Debug};

use networkdb_core::wire::gob::{
    Decoder, Dynamic, EncodeError, Encoder, Fault, Limits, Schema, SerdeError, Shape, Time, Type, Value,
    from_stream, to_stream,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace([' ', '|'], "")).unwrap()
}

/// The values have this stream, and the stream these values.
fn both_ways<T: Serialize + DeserializeOwned + PartialEq + Debug>(values: &[T], stream: &str) {
    assert_eq!(hex::encode(to_stream("main", values).unwrap()), stream.replace([' ', '|'], ""));
    assert_eq!(from_stream::<T>(&hex(stream), Limits::default()).unwrap(), values);
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Default)]
#[serde(rename_all = "PascalCase")]
struct P {
    x: i64,
    s: String,
}

const P_DEFINED: &str = "1a 7f 03 01 01 01 50 01 ff80 00 01 02 01 01 58 01 04 00 01 01 53 01 0c 00 00 00";

#[test]
fn values_that_are_no_structs_are_led_by_a_zero() {
    both_ways(&[7_i64], "03|04|00|0e");
    both_ways(&["hi".to_owned()], "05|0c|00|02 6869");
    both_ways(&[vec![1_u8, 2]], "05|0a|00|02 0102");
    both_ways(&[17.0_f64], "05 08 00 fe3140");
    both_ways(&[0.1_f64], "0b 08 00 f89a9999999999b93f");
}

#[test]
fn a_struct_is_defined_once_and_zero_fields_are_left_out() {
    let p = |x, s: &str| P { x, s: s.to_owned() };
    both_ways(
        &[p(22, "hi"), p(22, "hi"), p(0, ""), p(0, "z")],
        &format!("{P_DEFINED} 09ff80012c0102686900 09ff80012c0102686900 03|ff80|00 06|ff80|02 017a|00"),
    );
}

#[test]
fn slices_arrays_and_maps_are_defined() {
    both_ways(&[vec![1_i64, -2]], "0b 7f 02 01 02ff80 00 01 04 00 00 06 ff80 00 02 02 03");
    both_ways(
        &[["a".to_owned(), String::new(), "c".to_owned()]],
        "0d 7f 01 01 02ff80 00 01 0c 01 06 00 00 09 ff80 00 03 0161 00 0163",
    );
    both_ways(
        &[BTreeMap::from([("one".to_owned(), 1_i64)])],
        "0d 7f 04 01 02ff80 00 01 0c 01 04 00 00 09 ff80 00 01 036f6e65 02",
    );
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Default)]
#[serde(rename_all = "PascalCase")]
struct T {
    at: Time,
}

#[test]
fn a_time_is_a_gob_encoder() {
    let at = Time::from_unix(1_550_830_272, 123_456_789);
    both_ways(
        &[T { at }, T::default()],
        "16 7f 03 01 01 0154 01 ff80 00 01 01 01 024174 01 ff82 00 00 00 \
         10 ff81 05 01 01 0454696d65 01 ff82 00 00 00 \
         14 ff80 01 0f 010000000ed401c1c0075bcd15ffff 00 03 ff80 00",
    );
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Something {
    #[serde(rename = "string")]
    Text(String),
    #[serde(rename = "int")]
    Number(i64),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "PascalCase")]
struct Any {
    v: Option<Something>,
}

#[test]
fn an_enum_is_an_interface() {
    both_ways(
        &[
            Any { v: None },
            Any { v: Some(Something::Text("hi".to_owned())) },
            Any { v: Some(Something::Number(0)) },
        ],
        "16 7f03010103416e7901ff80000101010156011000 00 00 03 ff80 00 \
         11 ff80 01 06737472696e67 0c 04 00 02 6869 00 0c ff80 01 03696e74 04 02 00 00 00",
    );
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct MsgServerHello {
    #[serde(rename = "Version")]
    version: String,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
enum Message {
    #[serde(rename = "github.com/projectcalico/typha/pkg/syncproto.MsgServerHello")]
    ServerHello(MsgServerHello),
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    message: Option<Message>,
}

const HELLO: &str = "21 7f03010108456e76656c6f706501ff8000010101074d657373616765011000 00 00 \
    67 ff80 01 3b 6769746875622e636f6d2f70726f6a65637463616c69636f2f74797068612f706b672f73796e6370726f746f2e\
    4d736753657276657248656c6c6f \
    ff81 0301010e4d736753657276657248656c6c6f01ff82000101010756657273696f6e010c000000 \
    0d ff82 09 01 0676332e322e35 00 00";

#[test]
fn a_type_first_met_in_an_interface_is_defined_in_the_middle_of_the_value() {
    let hello = MsgServerHello { version: "v3.2.5".to_owned() };
    both_ways(&[Envelope { message: Some(Message::ServerHello(hello)) }], HELLO);
}

#[test]
fn a_value_over_several_messages_is_read_in_any_cut() {
    let stream = hex(HELLO);
    for len in 1..stream.len() {
        let (mut decoder, mut found) = (Decoder::new(Limits::default()), Vec::new());
        for piece in stream.chunks(len) {
            let mut rest = piece;
            while let Some((_, value)) = decoder.next(&mut rest).unwrap() {
                found.push(value);
            }
        }
        assert_eq!(decoder.finish(), Ok(()));
        let [value] = &found[..] else { panic!("{found:?} in pieces of {len}") };
        let Some(Value::Interface(Some(message))) = value.field("Message") else { panic!("{value:?}") };
        assert_eq!(message.value.field("Version"), Some(&Value::String(b"v3.2.5".to_vec())));
    }
    let mut decoder = Decoder::new(Limits::default());
    assert_eq!(decoder.next(&mut &stream[..stream.len() - 1]), Ok(None));
    assert_eq!(decoder.finish().unwrap_err().fault, Fault::Ended);
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Default)]
#[serde(rename_all = "PascalCase")]
struct Nested {
    list: Vec<P>,
    pointer: Option<Box<P>>,
    map: BTreeMap<String, [u16; 2]>,
    wide: u64,
    raw: Vec<u8>,
}

#[test]
fn empty_slices_and_nil_pointers_define_their_types_too() {
    let full = Nested {
        list: vec![P::default(), P { x: 1, s: "a".to_owned() }],
        pointer: Some(Box::default()),
        map: BTreeMap::from([("k".to_owned(), [1, 2])]),
        wide: u64::MAX,
        raw: vec![0, 255],
    };
    for values in [vec![Nested::default()], vec![full]] {
        let stream = to_stream("main", &values).unwrap();
        assert_eq!(from_stream::<Nested>(&stream, Limits::default()).unwrap(), values);
        for name in ["[]main.P", "map[string][2]uint16"] {
            assert!(stream.windows(name.len()).any(|bytes| bytes == name.as_bytes()), "{name}");
        }
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Narrow {
    #[serde(rename = "X")]
    x: i8,
}

#[test]
fn numbers_and_kinds_are_not_converted() {
    let stream = to_stream("main", &[P { x: 128, s: String::new() }]).unwrap();
    assert!(matches!(from_stream::<Narrow>(&stream, Limits::default()), Err(SerdeError::Form(_))));
    let stream = to_stream("main", &[7_u64]).unwrap();
    assert!(matches!(from_stream::<i64>(&stream, Limits::default()), Err(SerdeError::Form(_))));
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[test]
fn a_type_that_contains_itself_is_refused_by_serde_and_can_be_described() {
    assert!(matches!(to_stream("main", &[Chain { next: None }]), Err(SerdeError::Form(_))));
    let mut schema = Schema::new();
    let chain = schema.define("Chain", Shape::Struct(Vec::new()));
    schema.redefine(chain, Shape::Struct(vec![("Next".to_owned(), chain)]));
    let link = |next: Vec<(Box<[u8]>, Value)>| Value::Struct(next);
    let value = link(vec![(b"Next".as_slice().into(), link(Vec::new()))]);
    let mut out = Vec::new();
    Encoder::new().encode(&mut schema, chain, &value, &mut out).unwrap();
    let (_, read) = Decoder::new(Limits::default()).next(&mut &out[..]).unwrap().unwrap();
    assert_eq!(read, value);
}

#[test]
fn what_is_not_of_its_type_is_not_written() {
    let mut schema = Schema::new();
    let pair = schema.define("", Shape::Array(Type::Int, 2));
    let any = schema.define("Any", Shape::Struct(vec![("V".to_owned(), Type::Interface)]));
    let mut encode = |of, value: Value| Encoder::new().encode(&mut schema, of, &value, &mut Vec::new());
    let unknown = Dynamic { name: b"main.T".as_slice().into(), value: Value::Int(1) };
    let field = |name: &str, value| Value::Struct(vec![(name.as_bytes().into(), value)]);
    assert_eq!(encode(pair, Value::List(vec![Value::Int(1)])), Err(EncodeError::ArrayLength));
    assert_eq!(encode(Type::Int, Value::Uint(1)), Err(EncodeError::Mismatch));
    assert_eq!(
        encode(any, field("V", Value::Interface(Some(Box::new(unknown))))),
        Err(EncodeError::Unregistered(b"main.T".as_slice().into()))
    );
    assert_eq!(
        encode(any, field("W", Value::Int(1))),
        Err(EncodeError::UnknownField(b"W".as_slice().into()))
    );
}

/// What the stream ends with.
fn fault(stream: &[u8], limits: Limits) -> Fault {
    let (mut decoder, mut rest) = (Decoder::new(limits), stream);
    loop {
        match decoder.next(&mut rest) {
            Ok(Some(_)) => {}
            Ok(None) => return decoder.finish().unwrap_err().fault,
            Err(error) => {
                assert_eq!(decoder.next(&mut &stream[..]), Err(error), "the first error is the last");
                return error.fault;
            }
        }
    }
}

#[test]
fn each_limit_of_a_stream_is_kept() {
    let limits = Limits::default();
    let p = hex(P_DEFINED);
    assert_eq!(fault(&p, Limits { types: 0, ..limits }), Fault::TooManyTypes);
    assert_eq!(fault(&p, Limits { definitions: 23, ..limits }), Fault::TooManyTypes);
    assert_eq!(fault(&p, Limits { message: 26, ..limits }), Fault::TooLong);
    assert_eq!(fault(&hex("f87fffffffffffffff"), limits), Fault::TooLong);
    let strings = to_stream("main", &[vec![String::new(); 10]]).unwrap();
    assert_eq!(fault(&strings, Limits { values: 10, ..limits }), Fault::TooManyValues);
    // `type S []S` with lists in lists.
    let deep =
        [hex("0f 7f 02 01 01 01 53 01 ff80 00 01 ff80 00 00"), hex("08 ff80 00 01 01 01 01 00")].concat();
    assert_eq!(fault(&deep, Limits { depth: 4, ..limits }), Fault::TooDeep);
}

#[test]
fn a_value_that_goes_on_in_too_many_messages_is_refused_in_any_cut() {
    let strings = |count: usize| {
        let mut stream = hex("0b 7f 02 01 02ff80 00 01 10 00 00 0c ff80 00 ff50 06737472696e67");
        // Each message has the rest of one string and the name before the next.
        stream.extend(hex("0c 0c 04 00 0161 06737472696e67").repeat(count));
        stream
    };
    let decode = |stream: &[u8], len| {
        let mut decoder = Decoder::new(Limits::default());
        stream.chunks(len).find_map(|mut piece| decoder.next(&mut piece).err()).map(|error| error.fault)
    };
    for len in [1, 5, 1 << 20] {
        assert_eq!(decode(&strings(64), len), None);
        assert_eq!(decode(&strings(65), len), Some(Fault::TooManyParts));
    }
}

#[test]
fn lying_streams_are_refused_with_what_is_wrong() {
    let limits = Limits::default();
    for (stream, wanted) in [
        ("00", Fault::EmptyMessage),
        ("f7", Fault::Integer),
        ("01 ff", Fault::Truncated),
        ("03 ff80 00", Fault::UndefinedType(64)),
        ("03 04 01 0e", Fault::Singleton),
        ("04 0c 00 05 61", Fault::Truncated),
        ("0b 7f 02 01 02ff80 00 01 04 00 00 0d ff80 00 f8 7fffffffffffffff 02", Fault::Truncated),
        ("0d 7f 01 01 02ff80 00 01 0c 01 06 00 00 04 ff80 00 02", Fault::ArrayLength),
        ("0b 7f 02 01 02ff80 00 01 04 00 00 0b 7f 02 01 02ff80 00 01 04 00 00", Fault::DuplicateType(64)),
        ("0b 7d 02 01 02ff80 00 01 04 00 00", Fault::DuplicateType(63)),
        ("0c 7f 02 01 02ff80 00 01 04 00 00 00", Fault::ExtraData),
        ("02 7f 00 04 ff80 00 00", Fault::NoKind(64)),
        ("0b 7f 02 01 02ff80 00 01 04 00 00", Fault::Ended),
    ] {
        assert_eq!(fault(&hex(stream), limits), wanted, "{stream}");
    }
}
