use beam_term::{Limits, RawTerm, Reader, Term, from_bytes, from_term, to_bytes};

/// Takes the input for a term in the external format.
///
/// All ways to read it must agree on whether it is one, and on which; what is read must survive
/// being written.
pub fn term_decode(input: &[u8]) {
    let input = input.to_vec();
    let term = Term::from_bytes(input.clone());
    let raw = RawTerm::from_external(input.clone());
    let skipped = skip(&input);
    assert_eq!(raw.is_ok(), skipped.is_ok(), "{raw:?} {skipped:?}");

    if let Ok(raw) = &raw {
        // What is passed over is not looked at for keys that are in a map twice.
        assert_eq!(raw.decode().ok(), term.clone().ok());
        let external = raw.to_external().expect("it can be passed on");
        assert_eq!(Term::from_bytes(external).ok(), term.clone().ok());
    }
    let Ok(term) = term else { return };
    assert!(raw.is_ok(), "{raw:?}");

    // `==` on the trees is by exact equality, which tells 0.0 from -0.0.
    let encoded = term.to_bytes().expect("a decoded term can be encoded");
    let again = Term::from_bytes(encoded.clone()).expect("an encoded term can be decoded");
    assert_eq!(again, term);
    assert_eq!(again.to_bytes().expect("it was before"), encoded);
    assert_eq!(again.phash2_full(), term.phash2_full());

    // Through serde a term passes unchanged.
    assert_eq!(from_bytes::<Term>(input).expect("a term"), term);
    assert_eq!(from_term::<Term>(&term).expect("a term"), term);
    assert_eq!(to_bytes(&term).expect("a term"), encoded);
}

fn skip(input: &[u8]) -> Result<(), beam_term::DecodeError> {
    let mut reader = Reader::external(input.to_vec(), Limits::default())?;
    reader.skip()?;
    reader.finish()
}
