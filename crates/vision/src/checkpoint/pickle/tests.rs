use super::*;

fn refusal(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

#[test]
fn plain_values_are_read() {
    let pickle = b"\x80\x02}(X\x01\x00\x00\x00aK\x07X\x01\x00\x00\x00b](X\x01\x00\x00\x00ceu.rest";
    let read = read(pickle).unwrap();
    let entries: Vec<_> = read.entries(read.root()).collect();
    assert_eq!(entries[0], ("a", Value::Whole(7)));
    assert_eq!(read.texts(entries[1].1), Some(vec!["c"]));
    assert_eq!(read.length(), pickle.len() - 4);
    assert_eq!(whole(&[0xFF]), Value::Whole(-1));
    assert_eq!(whole(&[0xFF, 0]), Value::Whole(255));
    assert_eq!(whole(&[]), Value::Whole(0));
}

#[test]
fn whatever_a_pickle_wants_to_run_is_refused_by_its_name() {
    let expected = |name: &str| {
        format!(
            "the file asks to run \"{name}\"; only tensors are read, and nothing is run: \
             save the model's state_dict() and import that"
        )
    };
    assert_eq!(refusal(b"cos\nsystem\n(X\x02\x00\x00\x00lstR."), expected("os.system"));
    assert_eq!(refusal(b"\x80\x04\x8c\x02os\x8c\x06system\x93."), expected("os.system"));
    assert_eq!(refusal(b"(ios\nsystem\n."), expected("os.system"));
    assert_eq!(refusal(b"cbuiltins\neval\n."), expected("builtins.eval"));
    assert_eq!(
        refusal(b"ctorch.nn.modules.linear\nLinear\n)\x81."),
        expected("torch.nn.modules.linear.Linear")
    );
    assert_eq!(refusal(b"ccollections\nOrderedDict\n)\x81."), expected("collections.OrderedDict"));
    assert_eq!(refusal(b"ctorch\nload\n."), expected("torch.load"));
    assert_eq!(refusal(b"K\x01}b."), expected("__setstate__"));
    assert!(refusal(b"\x82\x01.").contains("instruction 0x82 at byte 0"));
}

#[test]
fn stacks_marks_and_memos_are_guarded() {
    for bytes in [
        &b"."[..],
        b"0.",
        b"t.",
        b"u.",
        b"h\x05.",
        b"(K\x01(0.",
        b"a.",
        b"K\x01K\x02s.",
        b"}(K\x01u.",
        b"R.",
        b"Q.",
        b"}Q.",
    ] {
        assert!(refusal(bytes).starts_with("the checkpoint is damaged: the pickle"), "{bytes:?}");
    }
    for bytes in [&b""[..], b"X\xFF\xFF\xFF\xFFa", b"\x8d\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFa", b"cos"] {
        assert_eq!(refusal(bytes), "the checkpoint is damaged: the pickle is cut short");
    }
}

#[test]
fn a_pickle_of_many_values_is_refused_before_they_fill_the_memory() {
    let line = refusal(&vec![b'}'; MAX_VALUES]);
    assert_eq!(line, "the checkpoint has 262145 values in its pickle, 262144 are accepted");
}
