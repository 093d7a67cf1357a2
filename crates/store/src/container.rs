//! Bitmap containers: the part of a bitmap whose ids share their upper 16 bits, as one value of at most 8,208 bytes.

use lookalike_plugin_api::ExemplarId;
use roaring::RoaringBitmap;

use crate::Damage;

const WHAT: &str = "bitmap";

/// Ids that share the upper bits `high`.
fn span(high: u16) -> std::ops::RangeInclusive<ExemplarId> {
    let first = ExemplarId::from(high) << 16;
    first..=first | 0xFFFF
}

/// The upper bits of an id.
pub(crate) fn high(id: ExemplarId) -> u16 {
    (id >> 16) as u16
}

/// The payload of one container of `bitmap`; `None` if it is empty.
pub(crate) fn encode(bitmap: &RoaringBitmap, high: u16) -> Result<Option<Vec<u8>>, Damage> {
    let mut part = RoaringBitmap::new();
    part.insert_range(span(high));
    part &= bitmap;
    if part.is_empty() {
        return Ok(None);
    }
    // Runs may be longer than the plain forms, whose length is bounded.
    part.remove_run_compression();
    let mut payload = Vec::with_capacity(part.serialized_size());
    part.serialize_into(&mut payload).map_err(|_| Damage::Decode { what: WHAT })?;
    Ok(Some(payload))
}

/// The payload of one container of the ids below `next` that are *not* in `bitmap`; `None` if there is none.
pub(crate) fn encode_complement(
    bitmap: &RoaringBitmap,
    high: u16,
    next: ExemplarId,
) -> Result<Option<Vec<u8>>, Damage> {
    let mut rest = RoaringBitmap::new();
    rest.insert_range(*span(high).start()..next.min(span(high).end().saturating_add(1)));
    encode(&(rest - bitmap), high)
}

/// Adds the ids of a container to `bitmap`, having checked that they belong there and are below `next`.
pub(crate) fn decode_into(
    bitmap: &mut RoaringBitmap,
    payload: &[u8],
    high: u16,
    next: ExemplarId,
) -> Result<(), Damage> {
    let damaged = || Damage::Decode { what: WHAT };
    let mut rest = payload;
    let part = RoaringBitmap::deserialize_from(&mut rest).map_err(|_| damaged())?;
    let (Some(least), Some(most)) = (part.min(), part.max()) else {
        return Err(damaged());
    };
    if !rest.is_empty() || !span(high).contains(&least) || !span(high).contains(&most) || most >= next {
        return Err(damaged());
    }
    *bitmap |= part;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(payload: &[u8], high: u16, next: u32) -> Result<RoaringBitmap, Damage> {
        let mut bitmap = RoaringBitmap::new();
        decode_into(&mut bitmap, payload, high, next).map(|()| bitmap)
    }

    #[test]
    fn a_container_holds_the_ids_of_its_span_alone() {
        let bitmap: RoaringBitmap = [3, 65_535, 65_536, 70_000, 131_072].into_iter().collect();
        let payload = encode(&bitmap, 1).unwrap().unwrap();
        let part: Vec<u32> = restored(&payload, 1, 200_000).unwrap().iter().collect();
        assert_eq!(part, [65_536, 70_000]);
        assert_eq!(encode(&bitmap, 3).unwrap(), None);
    }

    #[test]
    fn a_container_never_outgrows_its_bound() {
        let every: RoaringBitmap = (0..65_536).collect();
        let second: RoaringBitmap = (0..65_536).step_by(2).collect();
        let alternating: RoaringBitmap = (0..65_536u32).filter(|id| id % 16 < 8).collect();
        for bitmap in [every, second, alternating] {
            let payload = encode(&bitmap, 0).unwrap().unwrap();
            assert!(payload.len() <= 8_208, "{} bytes", payload.len());
            assert_eq!(restored(&payload, 0, 65_536).unwrap(), bitmap);
        }
    }

    #[test]
    fn a_complement_ends_below_the_next_id() {
        let live: RoaringBitmap = [0, 2, 65_536].into_iter().collect();
        let first = encode_complement(&live, 0, 65_538).unwrap().unwrap();
        assert_eq!(restored(&first, 0, 65_538).unwrap().len(), 65_534);
        let second = encode_complement(&live, 1, 65_538).unwrap().unwrap();
        assert_eq!(restored(&second, 1, 65_538).unwrap().iter().collect::<Vec<_>>(), [65_537]);
    }

    #[test]
    fn ids_out_of_place_and_trailing_bytes_are_refused() {
        let bitmap: RoaringBitmap = [65_540].into_iter().collect();
        let mut payload = encode(&bitmap, 1).unwrap().unwrap();
        assert!(restored(&payload, 1, 65_540).is_err());
        assert!(restored(&payload, 0, 100_000).is_err());
        payload.push(0);
        assert!(restored(&payload, 1, 100_000).is_err());
    }
}
