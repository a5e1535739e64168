//! Bodies as the real yii2-queue 2.3.8 stored them, and bodies that nobody
//! should have stored.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Recorded: `RichJob` by the `JsonSerializer`.
const RICH_JSON: &str = r#"{"class":"app\\jobs\\RichJob","int":7,"float":1,"neg":-0.1,"str":"a\/b \"q\" \u00e9 \u20ac \ud83d\ude00","null":null,"bool":true,"list":[1,2,3],"map":{"a":1,"b":[true]},"sparse":{"1":"x","3":"y"},"empty":[],"nested":{"class":"app\\jobs\\CopyAssetJob","taskId":5}}"#;
/// Recorded: the same job by the `PhpSerializer`.
const RICH_PHP: &str = "O:16:\"app\\jobs\\RichJob\":13:{s:3:\"int\";i:7;s:5:\"float\";d:1;s:3:\"neg\";d:-0.1;s:3:\"str\";s:19:\"a/b \"q\" é € 😀\";s:4:\"null\";N;s:4:\"bool\";b:1;s:4:\"list\";a:3:{i:0;i:1;i:1;i:2;i:2;i:3;}s:3:\"map\";a:2:{s:1:\"a\";i:1;s:1:\"b\";a:1:{i:0;b:1;}}s:6:\"sparse\";a:2:{i:1;s:1:\"x\";i:3;s:1:\"y\";}s:5:\"empty\";a:0:{}s:6:\"nested\";O:21:\"app\\jobs\\CopyAssetJob\":1:{s:6:\"taskId\";i:5;}s:7:\"\0*\0prot\";s:6:\"hidden\";s:22:\"\0app\\jobs\\RichJob\0priv\";s:10:\"hidden too\";}";

fn read(body: &str) -> Envelope {
    decode(body.as_bytes()).unwrap()
}

fn refused(body: impl AsRef<[u8]>) -> String {
    decode(body.as_ref()).unwrap_err().0
}

fn stored(name: &str, payload: &str) -> String {
    String::from_utf8(encode(name, payload).unwrap()).unwrap()
}

#[test]
fn what_is_encoded_equals_what_yii2_stores() {
    for (name, payload, body) in [
        ("app\\jobs\\CopyAssetJob", r#"{"taskId":42}"#, r#"{"class":"app\\jobs\\CopyAssetJob","taskId":42}"#),
        (
            "app\\jobs\\FailJob",
            r#"{"taskId":"7","mode":"throw","seconds":5}"#,
            r#"{"class":"app\\jobs\\FailJob","taskId":"7","mode":"throw","seconds":5}"#,
        ),
        ("a/b\u{8}é😀\u{7f}", "", "{\"class\":\"a\\/b\\b\\u00e9\\ud83d\\ude00\u{7f}\"}"),
        ("\\app\\A", "{}", r#"{"class":"app\\A"}"#),
    ] {
        assert_eq!(stored(name, payload), body);
    }
}

#[test]
fn encoding_touches_no_other_byte() {
    let payload = " {\n \"b\" : 1.0e+25, \"a\":\"\\u00e9/\" , \"a\":2}\n";
    assert_eq!(stored("x", payload), " {\"class\":\"x\",\n \"b\" : 1.0e+25, \"a\":\"\\u00e9/\" , \"a\":2}\n");
    assert_eq!(stored("x", "{ }"), r#"{"class":"x" }"#);
}

#[test]
fn a_payload_with_the_same_class_is_stored_as_it_is() {
    for payload in
        [RICH_JSON, r#"{"a":1,"class":"\\app\\jobs\\RichJob"}"#, r#"{"a":1,"cl\u0061ss":"app\\jobs\\RichJob"}"#]
    {
        assert_eq!(stored("app\\jobs\\RichJob", payload), payload);
    }
}

#[test]
fn a_payload_that_cannot_be_stored_says_where_and_why() {
    let deep = format!("{{\"a\":\n{}{}}}", "[".repeat(128), "]".repeat(128));
    for (payload, parts) in [
        (r#"{"class":"other"}"#, ["`class` is `other`", "remove `class`"]),
        (r#"{"class":null}"#, ["is null", "remove it"]),
        (r#"{"class":7}"#, ["is a number", "remove it"]),
        (r#"{"class":"x","class":"x"}"#, ["twice", "line 1 column 25"]),
        ("[1]", ["is an array, not an object", "task_id"]),
        ("\"{}\"", ["is a text, not an object", "task_id"]),
        ("{\n \"a\": nope}", ["not usable JSON", "line 2 column 8"]),
        ("{} {}", ["trailing characters", "column 4"]),
        ("{'a':1}", ["not usable JSON", "column 2"]),
        (&deep, ["deeper than 128 levels", "line 2 column 128"]),
    ] {
        let message = encode("x", payload).unwrap_err().0;
        for part in parts {
            assert!(message.contains(part), "{payload:.40}: {message}");
        }
    }
    assert!(encode("", "{}").unwrap_err().0.contains("name is empty"));
    assert!(encode("\\", "{}").unwrap_err().0.contains("name is empty"));
    assert!(encode(&"n".repeat(1001), "{}").unwrap_err().0.contains("at most 1000"));
}

#[test]
fn as_deep_as_the_limit_is_still_right() {
    let deepest = format!("{{\"a\":{}{}}}", "[".repeat(127), "]".repeat(127));
    let body = encode("x", &deepest).unwrap();
    assert_eq!(decode(&body).unwrap().name, "x");
    // Brackets within texts are no depth.
    let text = format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(500));
    assert!(encode("x", &text).is_ok());
}

#[test]
fn a_json_body_is_the_payload_unchanged() {
    for (body, name) in [
        (RICH_JSON, "app\\jobs\\RichJob"),
        (r#"{"taskId":42,"class":"\\app\\A"} "#, "app\\A"),
        (r#"{"nested":{"class":"no"},"class":"yes"}"#, "yes"),
    ] {
        let envelope = read(body);
        assert_eq!((envelope.name.as_str(), envelope.payload.as_str()), (name, body));
    }
}

#[test]
fn a_php_body_becomes_what_the_json_serializer_writes() {
    assert_eq!(read(RICH_PHP), Envelope { name: "app\\jobs\\RichJob".into(), payload: RICH_JSON.into() });
    assert_eq!(
        read("O:21:\"app\\jobs\\CopyAssetJob\":1:{s:6:\"taskId\";i:42;}").payload,
        r#"{"class":"app\\jobs\\CopyAssetJob","taskId":42}"#
    );
    assert_eq!(read("O:1:\"J\":0:{}").payload, r#"{"class":"J"}"#);
}

#[test]
fn php_values_are_written_like_json_encode_writes_them() {
    for (php, json) in [
        ("d:1.0E+25;", "1.0e+25"),
        ("d:1.5e-7;", "1.5e-7"),
        ("d:0.0001;", "0.0001"),
        ("d:0.00001;", "1.0e-5"),
        ("d:1e16;", "10000000000000000"),
        ("d:1e17;", "1.0e+17"),
        ("d:-0.1;", "-0.1"),
        ("d:-0;", "-0"),
        ("i:-9223372036854775808;", "-9223372036854775808"),
        ("b:0;", "false"),
        ("a:1:{i:1;N;}", r#"{"1":null}"#),
        ("a:2:{i:1;N;i:0;N;}", r#"{"1":null,"0":null}"#),
        ("a:1:{s:1:\"0\";N;}", r#"{"0":null}"#),
        ("a:1:{s:5:\"class\";N;}", r#"{"class":null}"#),
        ("s:4:\"\";\"}\";", r#""\";\"}""#),
        ("s:1:\"\u{1}\";", r#""\u0001""#),
    ] {
        let body = format!("O:1:\"J\":1:{{s:1:\"v\";{php}}}");
        assert_eq!(read(&body).payload, format!("{{\"class\":\"J\",\"v\":{json}}}"), "{php}");
    }
}

#[test]
fn what_a_hidden_property_holds_is_no_matter() {
    for php in ["r:1;", "E:7:\"App:One\";", "C:1:\"X\":3:{a}b}", "d:NAN;", "O:27:\"Laravel\\SerializableClosure\":0:{}"]
    {
        let body = format!("O:1:\"J\":2:{{s:4:\"\0*\0p\";{php}s:1:\"a\";i:1;}}");
        assert_eq!(decode(body.as_bytes()).map(|read| read.payload).as_deref(), Ok(r#"{"class":"J","a":1}"#), "{php}");
    }
}

#[test]
fn a_php_body_without_equivalent_says_why() {
    let job = |php: &str| format!("O:1:\"J\":1:{{s:1:\"v\";{php}}}");
    for (body, part) in [
        (job("r:1;"), "a reference"),
        (job("R:1;"), "a reference"),
        (job("E:7:\"App:One\";"), "an enum"),
        (job("C:1:\"X\":1:{a}"), "serializes itself"),
        (job("d:INF;"), "infinite"),
        (job("d:NAN;"), "NAN"),
        (job("O:1:\"K\":1:{s:5:\"class\";N;}"), "`class` twice"),
        (job("a:2:{s:1:\"a\";N;s:1:\"a\";N;}"), "`a` twice"),
        (job("i:9223372036854775808;"), "64 bits"),
        (job("S:1:\"a\";"), "one of the types"),
        ("O:21:\"yii\\queue\\closure\\Job\":1:{s:10:\"serialized\";s:1:\"x\";}".into(), "closure"),
        ("a:1:{i:0;N;}".into(), "not an object"),
        ("C:1:\"X\":1:{a}".into(), "serializes itself"),
        ("O:0:\"\":0:{}".into(), "name is empty"),
        ("O:1:\"J\":0:{};".into(), "expected nothing more"),
        ("O:1:\"J\":2:{s:1:\"v\";N;}".into(), "a key of type i or s"),
        ("O:99999999999:\"J\":0:{}".into(), "are left"),
        ("O:18446744073709551615:\"J\":0:{}".into(), "are left"),
        ("O:99999999999999999999:\"J\":0:{}".into(), "a length"),
        ("O:1:\"J\":999999999:{}".into(), "a key of type i or s"),
        (job("a:999999999:{}"), "a key of type i or s"),
        (job("s:5:\"ab\";"), "expected"),
    ] {
        let message = refused(&body);
        assert!(message.contains(part), "{body}: {message}");
    }
    assert!(refused(b"O:1:\"J\":1:{s:1:\"v\";s:1:\"\xff\";}").contains("not UTF-8"));
    let deep = job(&format!("{}N;{}", "a:1:{i:0;".repeat(5000), "}".repeat(5000)));
    assert!(refused(deep).contains("deeper than 128 levels"));
}

#[test]
fn an_undecodable_body_says_what_was_found() {
    for (body, part) in [
        (&b""[..], "is empty"),
        (b"\0\0\0\x02\x17\x04", "Igbinary"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\xff\xfe{}", "not UTF-8 at byte 0; it begins with `\\xff\\xfe{}`"),
        (b"garbage", "it begins with `garbage`"),
        (b"{\"a\":1}", "no `class`"),
        (b"{\"class\":null}", "is null"),
        (b"{\"class\":[1]}", "is an array"),
        (b"{\"class\":\"\\ud800\"}", "not readable"),
        (b"{\"class\":\"\"}", "name is empty"),
        (b"{\"class\":\"a\",\"class\":\"b\"}", "twice"),
        (b"[{\"class\":\"a\"}]", "is an array, not an object"),
        (b"{\"class\":\"a\"", "EOF"),
    ] {
        let message = refused(body);
        assert!(message.contains(part), "{}: {message}", body.escape_ascii());
    }
}

#[test]
fn depth_costs_no_stack() {
    let open = "[".repeat(1_000_000);
    for body in [
        open.clone(),
        format!("{{\"a\":{open}"),
        format!("{{\"class\":{open}"),
        format!("{{\"class\":\"x\",\"a\":{open}{}}}", "]".repeat(1_000_000)),
        "O:1:\"J\":1:{s:1:\"v\";".repeat(200_000),
    ] {
        refused(body);
    }
}

#[test]
fn a_leading_backslash_makes_no_other_name() {
    assert!(same_name("\\app\\A", "app\\A"));
    assert!(!same_name("app\\A", "app\\a"));
    assert!(!same_name("\\\\A", "A"));
}

/// Any JSON object without `class` at the top.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let any_value = leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(".{0,8}", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::hash_map(".{0,8}", any_value, 0..6)
        .prop_map(|map| Value::Object(map.into_iter().filter(|(key, _)| key != "class").collect()))
}

proptest! {
    #[test]
    fn decoding_never_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&body);
    }

    #[test]
    fn decoding_what_looks_like_php_never_panics(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "O:1:\"J\":1:{", "a:1:{", "a:2:{", "s:1:\"v\";", "s:3:\"ab\";", "i:0;", "i:-1;", "d:1.5;", "d:.;", "b:1;",
                "N;", "}", "r:1;", "C:1:\"X\":2:{", "E:1:\"x\";", "S:", "s:9999999999:\"", "\"", ":", ";", "-", "é",
            ]),
            0..30,
        )
    ) {
        let _ = decode(parts.concat().as_bytes());
    }

    #[test]
    fn a_php_body_that_is_read_gives_a_body_that_is_read(
        cut in 0..RICH_PHP.len(), with in prop::sample::select(vec!["", "1", ";", "\"", "}", "\0"])
    ) {
        let mut body = RICH_PHP.as_bytes().to_vec();
        body.splice(cut..=cut, with.bytes());
        if let Ok(first) = decode(&body) {
            let again = decode(first.payload.as_bytes()).unwrap();
            prop_assert_eq!(again, first);
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same(name in "[^\\\\].{0,40}", payload in object()) {
        let text = payload.to_string();
        let body = encode(&name, &text).unwrap();
        let read = decode(&body).unwrap();
        prop_assert_eq!(&read.name, &name);
        prop_assert_eq!(read.payload.as_bytes(), body.as_slice());
        let mut value: Value = serde_json::from_str(&read.payload).unwrap();
        value.as_object_mut().unwrap().shift_remove("class");
        prop_assert_eq!(value, payload);
    }
}
