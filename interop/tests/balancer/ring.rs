//! The hash ring, against one that Erlang computes by its own `phash2`.

use std::collections::HashMap;
use std::time::Duration;

use beam_term::Term;
use beam_term::arbitrary::{scalar, string, term};
use interop::{Beam, Otp};
use proptest::prop_oneof;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rpc_load_balancer::algorithm::AtomKeys;
use rpc_load_balancer::{HashRing, NodeName, Pool, Selection};

/// How many members are asked for at once, at most.
const REPLICAS: usize = 8;

pub(crate) async fn owners_and_replicas_are_those_that_erlang_computes(otp: Otp) {
    let beam = otp.beam().start().await.unwrap();
    let keys = keys();
    load_ring(&beam, &keys).await;
    let atom_keys = match otp.number() {
        ..=25 => AtomKeys::Otp25,
        _ => AtomKeys::Otp26,
    };
    for members in [1, 2, 3, 8, 50] {
        let names: Vec<NodeName> = (0..members).map(name).collect();
        for points in [1, 128, 200] {
            let algorithm = HashRing::new().points(points).unwrap().atom_keys(atom_keys);
            let pool = Pool::new(algorithm);
            pool.update(names.iter().cloned());
            let answers = ask(&beam, &names, points).await;
            assert_eq!(answers.len(), keys.len());

            let mut cut_short = 0;
            for (key, answer) in keys.iter().zip(&answers) {
                let selection = Selection::with_key(key);
                let ours = chosen(&pool, &selection, &names);
                let Some([owner, to_the_end, replicas @ ..]) = answer.as_bytes().map(|b| &b[..])
                else {
                    panic!("{answer} for {key}");
                };
                let whose = format!("{key} on {members} members with {points} points");
                assert_eq!(ours.owner, usize::from(*owner), "owner of {whose}");
                let expected: Vec<usize> = replicas.iter().copied().map(Into::into).collect();
                assert_eq!(ours.replicas, expected, "replicas of {whose}");
                // The Elixir library stops at the end of the ring.
                cut_short += usize::from(usize::from(*to_the_end) < replicas.len());
            }
            // Otherwise the way around the end was not looked at.
            assert!(members == 1 || points > 1 || cut_short > 0);
        }
    }
}

/// What was selected, by the position of the names.
struct Chosen {
    owner: usize,
    replicas: Vec<usize>,
}

fn chosen(pool: &Pool<HashRing>, selection: &Selection<'_>, names: &[NodeName]) -> Chosen {
    let position = |node: &NodeName| names.iter().position(|name| name == node).unwrap();
    let leases = pool.select_nodes(REPLICAS, selection);
    Chosen {
        owner: position(pool.select(selection).unwrap().node()),
        replicas: leases.iter().map(|l| position(l.node())).collect(),
    }
}

/// Names of different lengths, not in order, among them some that are not ASCII.
fn name(number: usize) -> NodeName {
    let name = match number % 5 {
        0 => format!("worker_{number}@10.0.0.{number}"),
        1 => format!("a{number}@host{number}.example.org"),
        2 => format!("né{number}@höst"),
        3 => format!("Z{number}@z"),
        _ => format!("a-rather-long-name-of-a-node-{number}@a-host-of-the-same-kind.example.org"),
    };
    name.parse().unwrap()
}

/// Keys of every type, the same ones in every run: half of them binaries, integers and atoms as keys
/// mostly are.
fn keys() -> Vec<Term> {
    const COUNT: usize = 10_000;

    let any = prop_oneof![3 => scalar(), 1 => string(), 4 => term()];
    let mut runner = TestRunner::deterministic();
    let keys: Vec<Term> = (0..COUNT)
        .map(|number| match number % 6 {
            0 => Term::binary(format!("user-{number}")),
            1 => Term::from(number),
            2 => Term::Atom(format!("key_{number}").try_into().unwrap()),
            _ => any.new_tree(&mut runner).unwrap().current(),
        })
        .collect();

    let mut types: HashMap<_, usize> = HashMap::new();
    for key in &keys {
        *types.entry(std::mem::discriminant(key)).or_default() += 1;
    }
    let example = |term: Term| types.get(&std::mem::discriminant(&term)).copied();
    let pid = keys.iter().find(|key| matches!(key, Term::Pid(_)));
    let examples = [
        Term::atom("a"),
        Term::from(1),
        Term::try_from(0.5).unwrap(),
        Term::binary("b"),
        Term::nil(),
        Term::tuple([]),
        Term::Map(std::iter::empty().collect()),
        pid.expect("a pid is among them").clone(),
    ];
    for term in examples {
        assert!(example(term.clone()) > Some(30), "{term}");
    }
    keys
}

/// Compiles the ring in the node, and puts the keys there.
async fn load_ring(beam: &Beam, keys: &[Term]) {
    let encoded = keys.iter().map(|key| Term::Binary(key.to_bytes().unwrap()));
    let load = "
        Parse = fun Next(Text, Line) ->
            case erl_scan:tokens([], Text, Line) of
                {done, {ok, Tokens, End}, Rest} ->
                    {ok, Form} = erl_parse:parse_form(Tokens),
                    [Form | Next(Rest, End)];
                _ -> []
            end
        end,
        {ok, ring, Code} = compile:forms(Parse(unicode:characters_to_list(Source), 1)),
        {module, ring} = code:load_binary(ring, \"ring.erl\", Code),
        persistent_term:put(keys, [binary_to_term(Key) || Key <- Keys])";
    beam.expression(load)
        .bind("Source", &Term::binary(include_str!("ring.erl")))
        .bind("Keys", &Term::list(encoded))
        .term()
        .await
        .unwrap();
}

async fn ask(beam: &Beam, names: &[NodeName], points: u32) -> Vec<Term> {
    let names = names
        .iter()
        .map(|name| Term::binary(name.as_str().to_owned()));
    let source = format!(
        "ring:answers(Names, {points}, min({REPLICAS}, length(Names)), persistent_term:get(keys))"
    );
    let answers = beam
        .expression(&source)
        .bind("Names", &Term::list(names))
        .deadline(Duration::from_secs(120))
        .term()
        .await
        .unwrap();
    answers.as_list().expect("a list").to_vec()
}
