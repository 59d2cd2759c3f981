//! Elixir and Rust: the types of one as the other sees them.

use beam_node::{Class, Node};
use beam_term::{Atom, Term};
use interop::{Beam, Otp, on_each_release};
use serde::{Deserialize, Serialize};

use crate::cluster::{Cluster, HIDDEN_AND_VISIBLE};

on_each_release! {
    functions_of_elixir_are_called_with_types_of_rust,
    structs_and_keyword_lists_become_types_of_rust_and_back,
    exceptions_of_elixir_are_seen_as_what_they_are,
    functions_of_rust_are_called_from_elixir,
}

const SHOP: &str = r#"
defmodule Shop.Item do
  defstruct name: "", price: 0, tags: [], sold: nil
end

defmodule Shop do
  def item(name), do: %Shop.Item{name: name, price: 5, tags: [:new, :red]}
  def dearer(%Shop.Item{price: price} = item), do: %{item | price: price + 1}
  def dearer(%{price: price} = map), do: %{map | price: price + 1}
  def options(opts), do: {Keyword.keyword?(opts), Keyword.get(opts, :retries), Keyword.get(opts, :name)}
  def defaults, do: [retries: 3, name: "shop"]
  def refuse(message), do: raise(ArgumentError, message)
  def kind(nil), do: :none
  def kind(list) when is_list(list), do: :list
  def kind(binary) when is_binary(binary), do: :binary
  def leave, do: exit(:left)
  def toss, do: throw({:tossed, 1})
end
"#;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    name: String,
    price: i64,
    tags: Vec<Atom>,
    sold: Option<Date>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Date {
    year: i32,
    month: u8,
    day: u8,
}

/// A struct of Elixir that Rust makes.
#[derive(Debug, Serialize)]
struct NewItem {
    __struct__: Atom,
    name: &'static str,
    price: i64,
    tags: Vec<Atom>,
    sold: Option<Date>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Options {
    retries: u32,
    name: String,
}

async fn functions_of_elixir_are_called_with_types_of_rust(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let to = beam.name();
        let upper: String = node
            .call(to, ("Elixir.String", "upcase"), ("grüße",))
            .await
            .unwrap();
        assert_eq!(upper, "GRÜSSE");
        let words: Vec<String> = node
            .call(to, ("Elixir.String", "split"), ("a b c",))
            .await
            .unwrap();
        assert_eq!(words, ["a", "b", "c"]);
        // Lists of small integers travel as text.
        let numbers: Vec<u8> = (1..=255).collect();
        let sum: u32 = node
            .call(to, ("Elixir.Enum", "sum"), (&numbers,))
            .await
            .unwrap();
        assert_eq!(sum, 255 * 256 / 2);
        let reversed: Vec<i64> = node
            .call(to, ("Elixir.Enum", "reverse"), (vec![1, 2, 3],))
            .await
            .unwrap();
        assert_eq!(reversed, [3, 2, 1]);
        let sorted: Vec<i64> = node
            .call(to, ("Elixir.Enum", "sort"), (vec![70_000, -1, 256, 3],))
            .await
            .unwrap();
        assert_eq!(sorted, [-1, 3, 256, 70_000]);
        let chars: String = node
            .call(to, ("Elixir.String", "to_charlist"), ("héllo, мир",))
            .await
            .unwrap();
        assert_eq!(chars, "héllo, мир");
        let text: String = node
            .call(to, ("Elixir.List", "to_string"), (Term::charlist("мир"),))
            .await
            .unwrap();
        assert_eq!(text, "мир");

        let none: Option<i64> = node
            .call(to, ("Elixir.List", "first"), (Vec::<i64>::new(),))
            .await
            .unwrap();
        assert_eq!(none, None);
        let some: Option<i64> = node
            .call(to, ("Elixir.List", "first"), (vec![1, 2],))
            .await
            .unwrap();
        assert_eq!(some, Some(1));
        let kind: Atom = node
            .call(to, ("Elixir.Shop", "kind"), (None::<i64>,))
            .await
            .unwrap();
        assert_eq!(kind.as_str(), "none");
        let kind: Atom = node
            .call(to, ("Elixir.Shop", "kind"), ("text",))
            .await
            .unwrap();
        assert_eq!(kind.as_str(), "binary");
        let parsed: (i64, String) = node
            .call(to, ("Elixir.Integer", "parse"), ("12 eggs",))
            .await
            .unwrap();
        assert_eq!(parsed, (12, " eggs".to_owned()));
        let found: Result<String, ()> = node
            .call(
                to,
                ("Elixir.Map", "fetch"),
                (Item::example(), Term::atom("name")),
            )
            .await
            .unwrap();
        assert_eq!(found, Ok("lamp".to_owned()));
    }
}

async fn structs_and_keyword_lists_become_types_of_rust_and_back(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let to = beam.name();
        let date: Date = node
            .call(to, ("Elixir.Date", "from_iso8601!"), ("2024-02-29",))
            .await
            .unwrap();
        assert_eq!(
            date,
            Date {
                year: 2024,
                month: 2,
                day: 29
            }
        );
        let date: Result<Date, Atom> = node
            .call(to, ("Elixir.Date", "from_iso8601"), ("2023-02-29",))
            .await
            .unwrap();
        assert_eq!(date, Err(Atom::from_static("invalid_date")));

        let item: Item = node
            .call(to, ("Elixir.Shop", "item"), ("lamp",))
            .await
            .unwrap();
        assert_eq!(item, Item::example());
        // Without its name a struct is a map; with it, it is the struct again.
        let dearer: Term = node
            .call(to, ("Elixir.Shop", "dearer"), (&item,))
            .await
            .unwrap();
        assert!(
            dearer
                .as_map()
                .unwrap()
                .get(&Term::atom("__struct__"))
                .is_none()
        );
        let whole = NewItem {
            __struct__: Atom::from_static("Elixir.Shop.Item"),
            name: "sofa",
            price: 5,
            tags: vec![Atom::from_static("old")],
            sold: None,
        };
        let dearer: Term = node
            .call(to, ("Elixir.Shop", "dearer"), (&whole,))
            .await
            .unwrap();
        let kind = dearer.as_map().unwrap().get(&Term::atom("__struct__"));
        assert_eq!(kind, Some(&Term::atom("Elixir.Shop.Item")));
        let dearer: Item = node
            .call(to, ("Elixir.Shop", "dearer"), (&dearer,))
            .await
            .unwrap();
        assert_eq!(
            dearer,
            Item {
                name: "sofa".to_owned(),
                price: 7,
                tags: vec![Atom::from_static("old")],
                sold: None,
            }
        );

        let options: Options = node
            .call(to, ("Elixir.Shop", "defaults"), ())
            .await
            .unwrap();
        assert_eq!(
            options,
            Options {
                retries: 3,
                name: "shop".to_owned()
            }
        );
        let keywords: Vec<(Atom, Term)> = node
            .call(to, ("Elixir.Shop", "defaults"), ())
            .await
            .unwrap();
        let seen: (bool, u32, String) = node
            .call(to, ("Elixir.Shop", "options"), (keywords,))
            .await
            .unwrap();
        assert_eq!(seen, (true, 3, "shop".to_owned()));
    }
}

async fn exceptions_of_elixir_are_seen_as_what_they_are(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        let call = async |function: &str, arguments: Vec<Term>| {
            let called = node
                .call::<Term, _>(beam.name(), ("Elixir.Shop", function), arguments)
                .await;
            let error = called.unwrap_err();
            error
                .exception()
                .unwrap_or_else(|| panic!("{error}"))
                .clone()
        };
        let raised = call("refuse", vec![Term::binary("no lamps")]).await;
        assert_eq!(raised.class, Class::Error);
        let field = |name| {
            raised
                .reason
                .as_map()
                .unwrap()
                .get(&Term::atom(name))
                .cloned()
        };
        assert_eq!(
            field("__struct__"),
            Some(Term::atom("Elixir.ArgumentError"))
        );
        assert_eq!(field("message"), Some(Term::binary("no lamps")));
        let frame = &raised.stack.as_list().unwrap()[0].as_tuple().unwrap()[..2];
        assert_eq!(frame, [Term::atom("Elixir.Shop"), Term::atom("refuse")]);

        let raised = call("kind", vec![Term::from(1)]).await;
        assert_eq!(
            (raised.class, raised.reason),
            (Class::Error, Term::atom("function_clause"))
        );
        let raised = call("leave", Vec::new()).await;
        assert_eq!(
            (raised.class, raised.reason),
            (Class::Exit, Term::atom("left"))
        );
        let raised = call("toss", Vec::new()).await;
        assert_eq!(
            (raised.class, raised.reason),
            (
                Class::Throw,
                Term::tuple([Term::atom("tossed"), Term::from(1)])
            )
        );
    }
}

async fn functions_of_rust_are_called_from_elixir(otp: Otp) {
    let (cluster, beam) = start(otp).await;
    for visible in HIDDEN_AND_VISIBLE {
        let node = cluster.rust(visible).await;
        export(&node);
        for (call, expected) in [
            (":rust, :sum, [[1, 2, 3]]", "6"),
            (":rust, :sum, [Enum.to_list(1..1000)]", "500500"),
            (
                ":rust, :dearer, [Shop.item(\"lamp\")]",
                "%{name: \"lamp\", price: 6, sold: nil, tags: [:new, :red]}",
            ),
            (
                ":rust, :dearer, [%{Shop.item(\"lamp\") | sold: ~D[2024-02-29]}]",
                "%{name: \"lamp\", price: 6, sold: %{day: 29, month: 2, year: 2024}, tags: [:new, :red]}",
            ),
            (
                ":rust, :options, [[retries: 3, name: \"shop\"]]",
                "\"shop 3\"",
            ),
            (
                ":rust, :options, [[retries: 3, name: ~c\"shop\"]]",
                "\"shop 3\"",
            ),
            (
                ":rust, :options, [%{retries: 3, name: \"shop\"}]",
                "\"shop 3\"",
            ),
            (":rust, :known, [nil]", "false"),
            (":rust, :known, [\"x\"]", "true"),
            ("Rust.Shop, :fetch, [\"lamp\"]", "{:ok, 5}"),
            ("Rust.Shop, :fetch, [\"sofa\"]", "{:error, \"no sofa\"}"),
        ] {
            assert_eq!(
                inspected(&beam, &node, &format!(":erpc.call(node, {call})")).await,
                expected,
                "{call}"
            );
        }
        // What Rust raises is rescued like the errors of Erlang.
        let rescued = "try do :erpc.call(node, Rust.Shop, :missing, [1]) rescue e in ErlangError -> elem(e.original, 1) end";
        assert_eq!(inspected(&beam, &node, rescued).await, ":undef");
        let alive = "Node.ping(node)";
        assert_eq!(inspected(&beam, &node, alive).await, ":pong");
        let spawned = "pid = Node.spawn(node, :rust, :sum, [[1]]); node(pid) == node";
        assert_eq!(inspected(&beam, &node, spawned).await, "true");
        let listed = "node in Node.list() or node in Node.list(:hidden)";
        assert_eq!(inspected(&beam, &node, listed).await, "true");
    }
}

/// The value of an expression with `node` bound to the name of a node, as Elixir inspects it.
async fn inspected(beam: &Beam, node: &Node, source: &str) -> String {
    let source =
        format!("inspect(({source}), limit: :infinity, custom_options: [sort_maps: true])");
    let name = Term::Atom(node.name().as_atom().clone());
    let value = beam
        .elixir(&source)
        .bind("node", &name)
        .term()
        .await
        .unwrap();
    value.as_str().unwrap().to_owned()
}

fn export(node: &Node) {
    node.export("rust", "sum", async |numbers: Vec<i64>| {
        numbers.iter().sum::<i64>()
    })
    .unwrap();
    let dearer = async |item: Item| Item {
        price: item.price + 1,
        ..item
    };
    node.export("rust", "dearer", dearer).unwrap();
    let options = async |options: Options| format!("{} {}", options.name, options.retries);
    node.export("rust", "options", options).unwrap();
    node.export("rust", "known", async |name: Option<String>| name.is_some())
        .unwrap();
    let fetch = async |name: String| match name.as_str() {
        "lamp" => Ok(5),
        _ => Err(format!("no {name}")),
    };
    node.export("Elixir.Rust.Shop", "fetch", fetch).unwrap();
}

impl Item {
    /// What `Shop.item("lamp")` gives.
    fn example() -> Self {
        Self {
            name: "lamp".to_owned(),
            price: 5,
            tags: vec![Atom::from_static("new"), Atom::from_static("red")],
            sold: None,
        }
    }
}

async fn start(otp: Otp) -> (Cluster, Beam) {
    let cluster = Cluster::start(otp).await;
    let beam = cluster.beam("elixir").elixir().start().await.unwrap();
    beam.elixir(SHOP).external().await.unwrap();
    (cluster, beam)
}
