//! Values of Elixir as values of Rust, and back.

use std::collections::BTreeMap;
use std::fmt::Debug;

use beam_term::{Atom, Pid, Term, to_bytes};
use interop::{Beam, Otp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) async fn elixir_structs_are_rust_structs(otp: Otp) {
    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        id: u64,
        customer: String,
        note: Option<String>,
        ship_to: Address,
        items: Vec<Item>,
        #[serde(rename = "paid?")]
        paid: bool,
        status: Status,
        tags: BTreeMap<String, f64>,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Address {
        street: String,
        country: Option<Atom>,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        name: String,
        count: u8,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Status {
        InTransit,
    }

    let beam = otp.beam().elixir().start().await.unwrap();
    let definitions = r#"
        defmodule Shop.Address, do: defstruct [:street, :country]
        defmodule Shop.Item, do: defstruct [:name, count: 1]
        defmodule Shop.Order do
            defstruct [:id, :customer, :note, :ship_to, items: [], paid?: false, status: :open, tags: %{}]
        end"#;
    beam.elixir(definitions).external().await.unwrap();

    let source = r#"struct!(Shop.Order, id: 0xFFFF_FFFF_FFFF_FFFF, customer: "Zoë", paid?: true, status: :in_transit,
        ship_to: struct!(Shop.Address, street: "Rue de l'Été 1"), tags: %{"weight" => 1.5, "pieces" => 2.0},
        items: [struct!(Shop.Item, name: "книга"), struct!(Shop.Item, name: "", count: 255)])"#;
    let order = Order {
        id: u64::MAX,
        customer: "Zoë".into(),
        note: None,
        ship_to: Address {
            street: "Rue de l'Été 1".into(),
            country: None,
        },
        items: vec![
            Item {
                name: "книга".into(),
                count: 1,
            },
            Item {
                name: String::new(),
                count: 255,
            },
        ],
        paid: true,
        status: Status::InTransit,
        tags: BTreeMap::from([("weight".into(), 1.5), ("pieces".into(), 2.0)]),
    };
    takes(&beam, source, &order).await;
    let back = format!(
        "struct!(Shop.Order, %{{received |
            ship_to: struct!(Shop.Address, received.ship_to),
            items: Enum.map(received.items, &struct!(Shop.Item, &1))}}) == {source}"
    );
    gives(&beam, &order, &back).await;
}

pub(crate) async fn elixirs_own_structs_are_rust_structs(otp: Otp) {
    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Date {
        calendar: Atom,
        year: i32,
        month: u8,
        day: u8,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct DateTime {
        #[serde(flatten)]
        date: BTreeMap<String, Term>,
        microsecond: (u32, u8),
        zone_abbr: String,
        utc_offset: i32,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Time {
        calendar: Atom,
        hour: u8,
        minute: u8,
        second: u8,
        microsecond: (u32, u8),
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Range {
        first: i64,
        last: i64,
        step: i64,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Uri {
        scheme: Option<String>,
        host: Option<String>,
        port: Option<u16>,
        path: Option<String>,
        query: Option<String>,
    }

    let iso = || Atom::from_static("Elixir.Calendar.ISO");
    let beam = otp.beam().elixir().start().await.unwrap();
    let date = Date {
        calendar: iso(),
        year: -1,
        month: 2,
        day: 28,
    };
    takes(&beam, "~D[-0001-02-28]", &date).await;
    gives(&beam, &date, "struct!(Date, received) == ~D[-0001-02-28]").await;

    let time = Time {
        calendar: iso(),
        hour: 23,
        minute: 59,
        second: 58,
        microsecond: (120_000, 2),
    };
    takes(&beam, "~T[23:59:58.12]", &time).await;
    gives(&beam, &time, "struct!(Time, received) == ~T[23:59:58.12]").await;

    let moment: DateTime = take(&beam, "~U[2024-02-29 12:34:56.000001Z]").await;
    assert_eq!(moment.microsecond, (1, 6));
    assert_eq!((moment.zone_abbr.as_str(), moment.utc_offset), ("UTC", 0));
    assert_eq!(moment.date["day"], Term::from(29));

    let range = Range {
        first: 10,
        last: -1,
        step: -3,
    };
    takes(&beam, "10..-1//-3", &range).await;
    gives(&beam, &range, "struct!(Range, received) == 10..-1//-3").await;

    let uri = Uri {
        scheme: Some("https".into()),
        host: Some("example.com".into()),
        port: Some(443),
        path: None,
        query: Some("q=é".into()),
    };
    takes(&beam, r#"URI.parse("https://example.com?q=é")"#, &uri).await;
    // A set is a struct whose fields nobody else should know: it passes as a term.
    let set: Term = take(&beam, "MapSet.new([1, :a])").await;
    gives(&beam, &set, "received == MapSet.new([1, :a])").await;
}

pub(crate) async fn elixirs_tagged_values_are_rust_enums(otp: Otp) {
    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Command {
        Quit,
        Write(String),
        Color(u8, u8, u8),
        Move { x: i64, y: f64 },
        Reply(Option<Pid>, Vec<Command>),
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(rename_all = "snake_case")]
    enum Reason {
        NotFound,
        Timeout(u32),
    }

    let beam = otp.beam().elixir().start().await.unwrap();
    let source = r#"[:quit, {:write, "naïve"}, {:color, 0, 127, 255}, {:move, %{x: -1, y: 0.5}},
        {:reply, nil, [:quit, {:reply, nil, []}]}]"#;
    let commands = vec![
        Command::Quit,
        Command::Write("naïve".into()),
        Command::Color(0, 127, 255),
        Command::Move { x: -1, y: 0.5 },
        Command::Reply(None, vec![Command::Quit, Command::Reply(None, vec![])]),
    ];
    equals(&beam, source, &commands).await;
    match take(&beam, "{:reply, self(), [{:move, [x: 1, y: 2]}]}").await {
        Command::Reply(Some(_), commands) => {
            assert_eq!(commands, [Command::Move { x: 1, y: 2.0 }]);
        }
        other => panic!("{other:?}"),
    }

    let source = "[{:ok, 1}, {:error, :not_found}, {:error, {:timeout, 5000}}]";
    let results = vec![Ok(1_u8), Err(Reason::NotFound), Err(Reason::Timeout(5000))];
    equals(&beam, source, &results).await;
    let source = "[:ok, {:error, :not_found}]";
    equals(&beam, source, &vec![Ok(()), Err(Reason::NotFound)]).await;
    equals(&beam, "[:ok, :error]", &vec![Ok::<(), ()>(()), Err(())]).await;
}

pub(crate) async fn elixirs_ways_to_say_things_are_taken(otp: Otp) {
    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        name: String,
        timeout: Option<u64>,
        weight: f64,
    }

    impl Default for Options {
        fn default() -> Self {
            Self {
                name: "none".into(),
                timeout: Some(5000),
                weight: 1.0,
            }
        }
    }

    let beam = otp.beam().elixir().start().await.unwrap();
    let options = Options {
        name: "Ω".into(),
        timeout: None,
        weight: 2.0,
    };
    for source in [
        r#"[name: "Ω", timeout: nil, weight: 2]"#,
        r#"[weight: 2.0, name: ~c"Ω", timeout: :undefined]"#,
        r#"%{"name" => "Ω", "timeout" => nil, "weight" => 2.0}"#,
        r#"%{name: [937], timeout: nil, weight: 2}"#,
    ] {
        takes(&beam, source, &options).await;
    }
    takes(&beam, "[timeout: 5000]", &Options::default()).await;
    takes(&beam, "%{}", &Options::default()).await;
    gives(
        &beam,
        &options,
        r#"received == %{name: "Ω", timeout: nil, weight: 2.0}"#,
    )
    .await;

    equals(
        &beam,
        r#"["", "é", "日本"]"#,
        &["", "é", "日本"].map(str::to_owned).to_vec(),
    )
    .await;
    takes(
        &beam,
        r#"[~c"", ~c"plain", ~c"é", ~c"日本"]"#,
        &["", "plain", "é", "日本"].map(str::to_owned).to_vec(),
    )
    .await;
    equals(&beam, "[nil, 1, nil]", &vec![None, Some(1), None]).await;
    equals(
        &beam,
        "{true, false, 340282366920938463463374607431768211455}",
        &(true, false, u128::MAX),
    )
    .await;
    equals(
        &beam,
        r#"%{"a" => [1], "b" => []}"#,
        &BTreeMap::from([("a".to_owned(), vec![1]), ("b".to_owned(), vec![])]),
    )
    .await;
    takes(
        &beam,
        "[a: 1, b: 2]",
        &BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
    )
    .await;
    let pairs = vec![(Atom::from_static("a"), 1), (Atom::from_static("a"), 2)];
    equals(&beam, "[a: 1, a: 2]", &pairs).await;
    equals(&beam, "[1, 255, 0]", &vec![1_u8, 255, 0]).await;
    takes(&beam, "<<1, 255, 0>>", &vec![1_u8, 255, 0]).await;
    takes(&beam, "?é", &'é').await;
    equals(
        &beam,
        "Enum.to_list(1..70_000)",
        &(1..=70_000).collect::<Vec<u32>>(),
    )
    .await;
}

/// The expression's value is this one, both ways.
async fn equals<T>(beam: &Beam, source: &str, value: &T)
where
    T: DeserializeOwned + Serialize + PartialEq + Debug,
{
    takes(beam, source, value).await;
    gives(beam, value, &format!("received == {source}")).await;
}

/// The expression's value is taken for this one.
async fn takes<T>(beam: &Beam, source: &str, value: &T)
where
    T: DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(&take::<T>(beam, source).await, value, "{source}");
}

async fn take<T: DeserializeOwned>(beam: &Beam, source: &str) -> T {
    beam.elixir(source).decode().await.unwrap()
}

/// Sends the value as `received`, of which the condition must hold.
async fn gives<T: Serialize + Debug>(beam: &Beam, value: &T, condition: &str) {
    let source = format!("({condition}) || inspect(received)");
    let answer = beam
        .elixir(&source)
        .bind_external("received", to_bytes(value).unwrap());
    assert_eq!(answer.text().await.unwrap(), "true", "{condition}");
}
