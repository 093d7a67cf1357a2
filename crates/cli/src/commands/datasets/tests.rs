use super::loopback::{Answer, Loopback};
use super::*;

/// Two files: "abc" of FIPS 180-2, appendix B.1, and of RFC 1321, appendix A.5.
static SET: Source = Source {
    name: "letters",
    page: "https://example.org",
    files: &[
        SourceFile {
            name: "one.bin",
            urls: &[],
            bytes: 3,
            digest: Digest::Sha256("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            packing: Packing::Ready,
        },
        SourceFile {
            name: "two.tar.gz",
            urls: &[],
            bytes: 3,
            digest: Digest::Md5("900150983cd24fb0d6963f7d28e17f72"),
            packing: Packing::TarGz,
        },
    ],
};

#[test]
fn all_files_of_a_set_come_from_a_mirror_and_archives_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let server = Loopback::new(vec![Answer::whole(b"abc"), Answer::whole(b"abc")]);
    let transfer = Transfer::new(SILENCE, None);
    let mirror = format!("{}/set/", server.url);
    let report = fetch_all(&transfer, &SET, folder.path(), Some(&mirror)).unwrap();
    let text = report.text();
    assert!(text.contains("letters is whole in ") && text.contains("unpack it with: tar -xzf "), "{text}");
    assert_eq!(server.requests(), ["/set/one.bin", "/set/two.tar.gz"]);
    let again = fetch_all(&transfer, &SET, folder.path(), Some(&mirror)).unwrap();
    assert!(again.files.iter().all(|file| file.status == "there already"));
    assert!(SET.files.iter().all(|file| Verified::of(file, folder.path()).status == "right"));
}

#[test]
fn the_next_address_is_asked_where_one_fails() {
    let folder = tempfile::tempdir().unwrap();
    let server = Loopback::new(vec![
        Answer::new("404 Not Found", &[], b""),
        Answer::whole(b"abd"),
        Answer::whole(b"abc"),
    ]);
    let urls = ["first", "second", "third"].map(|place| format!("{}/{place}", server.url));
    let transfer = Transfer::new(SILENCE, None);
    assert_eq!(fetch_one(&transfer, &SET.files[0], &urls, folder.path()).unwrap(), Fetched::Whole);
    let errors = fetch_one(&transfer, &SET.files[1], &urls, folder.path()).unwrap_err();
    assert_eq!(errors.len(), 3);
}
