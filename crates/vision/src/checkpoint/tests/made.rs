//! Checkpoints made by hand, byte by byte.

/// A state dict of tensors, each with the instructions that describe it.
pub(super) fn pickle(tensors: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"\x80\x02}(".to_vec();
    for (name, tensor) in tensors {
        text(&mut bytes, name);
        bytes.extend(tensor);
    }
    bytes.extend(b"u.");
    bytes
}

/// A tensor in the storage `key` of `count` numbers in single precision; in order unless strides are given.
pub(super) fn tensor(
    key: usize,
    count: usize,
    offset: usize,
    shape: &[usize],
    strides: Option<&[usize]>,
) -> Vec<u8> {
    let in_order: Vec<usize> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    let mut bytes = b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec();
    text(&mut bytes, "storage");
    bytes.extend(b"ctorch\nFloatStorage\n");
    text(&mut bytes, &key.to_string());
    text(&mut bytes, "cpu");
    number(&mut bytes, count);
    bytes.extend(b"tQ");
    number(&mut bytes, offset);
    for sizes in [shape, strides.unwrap_or(&in_order)] {
        bytes.push(b'(');
        sizes.iter().for_each(|&size| number(&mut bytes, size));
        bytes.push(b't');
    }
    bytes.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(b'X');
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn number(bytes: &mut Vec<u8>, number: usize) {
    bytes.push(b'J');
    bytes.extend((number as u32).to_le_bytes());
}

/// The archive of a pickle and its storages.
pub(super) fn archive(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let mut files = vec![("net/data.pkl".to_owned(), pickle), ("net/byteorder".to_owned(), b"little")];
    files.extend(
        storages.iter().enumerate().map(|(key, bytes)| (format!("net/data/{key}"), bytes.as_slice())),
    );
    let mut archive = Vec::new();
    let mut list = Vec::new();
    for (name, content) in &files {
        let start = archive.len() as u32;
        let length = (content.len() as u32).to_le_bytes();
        // Version, flags, method, time and date, then checksum, sizes and the lengths of name and extra fields.
        let mut header = vec![0; 10];
        header.extend(crc32fast::hash(content).to_le_bytes());
        header.extend([length, length].concat());
        header.extend((name.len() as u32).to_le_bytes());
        archive.extend(b"PK\x03\x04");
        archive.extend(&header);
        archive.extend(name.as_bytes());
        archive.extend(*content);
        list.extend(b"PK\x01\x02\0\0");
        list.extend(&header);
        list.extend([0; 10]);
        list.extend(start.to_le_bytes());
        list.extend(name.as_bytes());
    }
    let count = (files.len() as u16).to_le_bytes();
    let end = [
        &[0; 4][..],
        &count,
        &count,
        &(list.len() as u32).to_le_bytes(),
        &(archive.len() as u32).to_le_bytes(),
        &[0; 2],
    ];
    let end = end.concat();
    archive.extend(list);
    archive.extend(b"PK\x05\x06");
    archive.extend(end);
    archive
}
