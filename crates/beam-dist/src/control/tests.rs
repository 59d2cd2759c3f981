use beam_term::{Atom, Pid, Reference, Term};
use bytes::BytesMut;

use super::*;

const OLDEST: Flags = Flags::empty();
const OTP_25: Flags = Flags::from_bits_retain(0xd_07df_7fbd);
const OTP_28: Flags = OTP_25.union(Flags::ALTACT_SIG);

#[test]
fn every_operation_decodes_and_encodes_to_the_same_term() {
    // With the flags under which a form is sent, and whether a payload belongs to it.
    let forms = [
        (OTP_25, tuple([int(1), pid(1), pid(2)]), false),
        (OLDEST, tuple([int(2), unused(), pid(2)]), true),
        (OLDEST, tuple([int(3), pid(1), pid(2), reason()]), true),
        (OTP_25, tuple([int(4), pid(1), pid(2)]), false),
        (OTP_25, tuple([int(5)]), false),
        (OTP_25, tuple([int(6), pid(1), unused(), name()]), true),
        (OTP_25, tuple([int(7), pid(1), pid(2)]), false),
        (OLDEST, tuple([int(8), pid(1), pid(2), reason()]), true),
        (OLDEST, tuple([int(12), unused(), pid(2), token()]), true),
        (
            OLDEST,
            tuple([int(13), pid(1), pid(2), token(), reason()]),
            true,
        ),
        (
            OTP_25,
            tuple([int(16), pid(1), unused(), name(), token()]),
            true,
        ),
        (
            OLDEST,
            tuple([int(18), pid(1), pid(2), token(), reason()]),
            true,
        ),
        (OTP_25, tuple([int(19), pid(1), pid(2), reference()]), false),
        (OTP_25, tuple([int(19), pid(1), name(), reference()]), false),
        (OTP_25, tuple([int(20), pid(1), pid(2), reference()]), false),
        (OTP_25, tuple([int(20), pid(1), name(), reference()]), false),
        (
            OLDEST,
            tuple([int(21), pid(1), pid(2), reference(), reason()]),
            true,
        ),
        (
            OLDEST,
            tuple([int(21), name(), pid(2), reference(), reason()]),
            true,
        ),
        (OTP_25, tuple([int(22), pid(1), pid(2)]), true),
        (OTP_25, tuple([int(23), pid(1), pid(2), token()]), true),
        (OTP_25, tuple([int(24), pid(1), pid(2)]), true),
        (OTP_25, tuple([int(25), pid(1), pid(2), token()]), true),
        (OTP_25, tuple([int(26), pid(1), pid(2)]), true),
        (OTP_25, tuple([int(27), pid(1), pid(2), token()]), true),
        (OTP_25, tuple([int(28), pid(1), pid(2), reference()]), true),
        (OTP_25, tuple([int(28), name(), pid(2), reference()]), true),
        (OTP_25, spawn_request(29, [], None), true),
        (
            OTP_25,
            spawn_request(29, [Term::atom("monitor")], None),
            true,
        ),
        (
            OTP_25,
            spawn_request(30, all_options(), Some(token())),
            true,
        ),
        (
            OTP_25,
            tuple([int(31), reference(), pid(1), int(2), pid(2)]),
            false,
        ),
        (
            OTP_25,
            tuple([int(31), reference(), pid(1), int(0), reason()]),
            false,
        ),
        (
            OTP_25,
            tuple([int(32), reference(), pid(1), int(3), pid(2), token()]),
            false,
        ),
        (OTP_25, tuple([int(33), pid(1), reference()]), true),
        (OTP_25, tuple([int(34), pid(1), reference(), token()]), true),
        (OTP_25, tuple([int(35), int(7), pid(1), pid(2)]), false),
        (
            OTP_25,
            tuple([int(36), Term::from(u64::MAX), pid(1), pid(2)]),
            false,
        ),
        (
            OTP_28,
            tuple([int(37), int(0b0_0001), pid(1), pid(2)]),
            true,
        ),
        (
            OTP_28,
            tuple([int(37), int(0b0_0100), pid(1), reference()]),
            true,
        ),
        (
            OTP_28,
            tuple([int(37), int(0b0_0111), pid(1), reference(), token()]),
            true,
        ),
        (
            OTP_28,
            tuple([int(37), int(0b0_1001), pid(1), name()]),
            true,
        ),
        (
            OTP_28,
            tuple([int(37), int(0b1_0001), pid(1), pid(2)]),
            true,
        ),
        (
            OTP_28,
            tuple([int(37), int(0b1_0100), pid(1), reference()]),
            true,
        ),
        (
            OTP_28,
            tuple([int(37), int(0b1_1010), pid(1), name(), token()]),
            true,
        ),
    ];
    for (flags, form, carries_payload) in forms {
        let control = decode(&form).unwrap();
        assert_eq!(control.carries_payload(), Some(carries_payload), "{form:?}");
        assert_eq!(encode(&control, flags), Ok(form));
    }
}

#[test]
fn a_tuple_of_another_size_is_refused() {
    for operation in 1..=36 {
        let Some(right) = operation::elements(operation) else {
            continue;
        };
        for elements in (1..=9).filter(|elements| *elements != right) {
            let form = tuple(std::iter::once(int(operation)).chain((1..elements).map(|_| pid(1))));
            assert_eq!(
                decode(&form),
                Err(ControlDecodeError::Elements {
                    operation,
                    elements
                })
            );
        }
    }
    assert!(matches!(
        decode(&tuple([])),
        Err(ControlDecodeError::Term(_))
    ));
}

#[test]
fn an_operation_that_is_not_known_is_passed_over() {
    for operation in [0, 9, 38, 1000, -1] {
        let form = tuple([int(operation), pid(1), Term::list([name(), name()])]);
        assert_eq!(decode(&form), Ok(Control::Unknown(operation)));
        assert_eq!(
            encode(&Control::Unknown(operation), OTP_25),
            Err(ControlEncodeError::UnknownOperation(operation))
        );
    }
}

#[test]
fn an_element_of_another_kind_is_refused() {
    let forms = [
        int(19),
        tuple([name(), pid(1), pid(2)]),
        tuple([int(1), pid(1), name()]),
        tuple([int(2), unused(), name()]),
        tuple([int(6), pid(1), unused(), pid(2)]),
        tuple([int(19), pid(1), reference(), reference()]),
        tuple([int(19), pid(1), pid(2), name()]),
        tuple([int(33), pid(1), pid(2)]),
        tuple([int(31), reference(), pid(1), int(0), reference()]),
        tuple([int(31), reference(), pid(1), name(), pid(2)]),
        tuple([int(31), reference(), pid(1), int(-1), pid(2)]),
        tuple([int(35), int(0), pid(1), pid(2)]),
        tuple([int(35), int(-1), pid(1), pid(2)]),
        tuple([
            int(29),
            reference(),
            pid(1),
            pid(1),
            tuple([name(), name()]),
            Term::nil(),
        ]),
        tuple([int(29), reference(), pid(1), pid(1), mfa(), name()]),
    ];
    for form in forms {
        assert!(decode(&form).is_err(), "{form:?}");
    }
}

#[test]
fn what_later_releases_may_add_to_altact_is_ignored() {
    let flags = [int(0b100), int(0b100 | 1 << 7), huge(0b100)];
    for flags in flags {
        let form = tuple([int(37), flags, pid(1), reference(), name(), token()]);
        let Control::Send(send) = decode(&form).unwrap() else {
            panic!("{form:?} is a send");
        };
        assert!(matches!(send.to, Recipient::Alias(_)));
        assert_eq!((send.priority, send.token), (false, None));
    }
}

#[test]
fn flags_of_altact_that_contradict_the_rest_are_refused() {
    let forms = [
        tuple([int(37), int(0b0100), pid(1), pid(2)]),
        tuple([int(37), int(0b1000), pid(1), pid(2)]),
        tuple([int(37), int(0b0000), pid(1), name()]),
        tuple([int(37), int(0b1100), pid(1), reference()]),
        tuple([int(37), int(0b0010), pid(1), pid(2)]),
        tuple([int(37), int(0), pid(1)]),
        tuple([int(37), int(-1), pid(1), pid(2)]),
        tuple([int(37), name(), pid(1), pid(2)]),
    ];
    for form in forms {
        assert!(decode(&form).is_err(), "{form:?}");
    }
}

#[test]
fn an_alias_is_sent_to_in_the_form_that_both_nodes_know() {
    let send = decode(&tuple([int(33), pid(1), reference()])).unwrap();

    let altact = tuple([int(37), int(0b100), pid(1), reference()]);
    assert_eq!(encode(&send, OTP_28), Ok(altact.clone()));
    assert_eq!(decode(&altact), Ok(send));
}

#[test]
fn what_the_peer_could_not_understand_is_not_encoded() {
    let exit = decode(&tuple([int(37), int(0b1_0100), pid(1), reference()])).unwrap();
    assert_eq!(
        encode(&exit, OTP_25),
        Err(ControlEncodeError::NotNegotiated(Flags::ALTACT_SIG))
    );

    for to in [Recipient::Name(NAME), Recipient::Alias(a_reference())] {
        let send = Control::Send(SendTo {
            from: None,
            to,
            priority: false,
            token: None,
        });
        assert_eq!(encode(&send, OTP_28), Err(ControlEncodeError::NoSender));
    }
}

#[test]
fn priority_is_given_up_where_it_is_not_known() {
    let form = tuple([int(37), int(0b1), pid(1), pid(2)]);
    let control = decode(&form).unwrap();

    assert_eq!(
        encode(&control, OTP_25),
        Ok(tuple([int(22), pid(1), pid(2)]))
    );
}

#[test]
fn the_options_of_a_spawn_are_told_apart() {
    let monitor = tuple([Term::atom("monitor"), Term::nil()]);
    let other = tuple([Term::atom("priority"), Term::atom("low")]);
    let deadline = tuple([Term::atom("deadline_ms"), int(1_500)]);
    let options = [deadline, monitor, other.clone(), Term::atom("link")];
    assert_eq!(
        spawn_options(options),
        SpawnOptions {
            link: true,
            monitor: true,
            deadline_ms: Some(1_500),
            others: vec![other],
        }
    );
}

#[test]
fn a_deadline_is_a_number_of_milliseconds_and_anything_else_is_an_option_nobody_knows() {
    for deadline_ms in [0, 1, 255, 256, 1 << 31, 1 << 40, u64::MAX] {
        let option = tuple([Term::atom("deadline_ms"), Term::from(deadline_ms)]);
        let form = spawn_request(29, [Term::atom("monitor"), option], None);
        let control = decode(&form).unwrap();
        let Control::SpawnRequest(request) = &control else {
            panic!("this is a spawn request");
        };
        assert_eq!(request.options.deadline_ms, Some(deadline_ms));
        assert_eq!(encode(&control, OTP_25), Ok(form));
    }

    let name = || Term::atom("deadline_ms");
    for option in [
        name(),
        tuple([name()]),
        tuple([name(), int(1), int(2)]),
        tuple([name(), int(-1)]),
        tuple([name(), "18446744073709551616".parse().unwrap()]),
        tuple([name(), Term::atom("infinity")]),
        tuple([name(), Term::try_from(1.0).unwrap()]),
        tuple([Term::binary("deadline_ms"), int(1)]),
        tuple([]),
        Term::list([name(), int(1)]),
    ] {
        let options = spawn_options([option.clone()]);
        assert_eq!(options.deadline_ms, None, "{option}");
        assert_eq!(options.others, [option]);
    }
}

/// The options of a request with these.
fn spawn_options<const N: usize>(options: [Term; N]) -> SpawnOptions {
    match decode(&spawn_request(29, options, None)).unwrap() {
        Control::SpawnRequest(request) => request.options,
        other => panic!("{other:?} is no spawn request"),
    }
}

fn decode(form: &Term) -> Result<Control, ControlDecodeError> {
    let external = form.to_bytes().unwrap();
    let mut reader = Reader::new(external.slice(1..));
    let head = Head::decode(&mut reader)?;
    let control = Control::decode(head, &mut reader)?;
    if head.has_reason_inside() {
        assert_eq!(reader.term().unwrap(), reason());
    }
    assert!(reader.is_empty());
    Ok(control)
}

fn encode(control: &Control, flags: Flags) -> Result<Term, ControlEncodeError> {
    let mut buffer = BytesMut::new();
    let mut writer = Writer::new(&mut buffer);
    control.encode(flags, &mut writer)?;
    if control.has_reason_inside(flags) {
        writer.term(&reason())?;
    }
    Ok(Reader::new(buffer).term().unwrap())
}

fn spawn_request(
    operation: i64,
    options: impl IntoIterator<Item = Term>,
    token: Option<Term>,
) -> Term {
    let elements = [
        int(operation),
        reference(),
        pid(1),
        pid(3),
        mfa(),
        Term::list(options),
    ];
    tuple(elements.into_iter().chain(token))
}

fn all_options() -> [Term; 3] {
    let low = tuple([Term::atom("priority"), Term::atom("low")]);
    [Term::atom("link"), Term::atom("monitor"), low]
}

fn mfa() -> Term {
    tuple([Term::atom("erpc"), Term::atom("execute_call"), int(4)])
}

/// An integer of many words that ends in `low`.
fn huge(low: u8) -> Term {
    let mut external = vec![131, 110, 100, 0, low];
    external.extend([1; 99]);
    Term::from_bytes(external).unwrap()
}

fn tuple(elements: impl IntoIterator<Item = Term>) -> Term {
    Term::tuple(elements)
}

fn int(value: i64) -> Term {
    Term::from(value)
}

fn pid(id: u32) -> Term {
    Term::Pid(Box::new(Pid {
        node: Atom::from_static("w1@127.0.0.1"),
        id,
        serial: 0,
        creation: 7,
    }))
}

fn reference() -> Term {
    Term::Reference(Box::new(a_reference()))
}

fn a_reference() -> Reference {
    Reference::new(Atom::from_static("c@127.0.0.1"), 8, &[1, 2, 3]).unwrap()
}

fn name() -> Term {
    Term::Atom(NAME)
}

fn unused() -> Term {
    Term::atom("")
}

fn token() -> Term {
    tuple([int(1), Term::atom("label"), int(2), pid(1), int(3)])
}

fn reason() -> Term {
    Term::atom("normal")
}

const NAME: Atom = Atom::from_static("rex");
