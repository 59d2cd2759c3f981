use beam_dist::Creation;
use beam_dist::epmd::{
    Alive2Response, NamesResponse, Origin, Port2Response, Registration, Registry, Request,
};

const EPMD_PORT: u16 = 4369;

/// Takes the input for a request to a port mapper, and for each of its responses.
///
/// What was decoded must survive being encoded, and what the registry answers must be a response.
pub fn epmd(input: &[u8]) {
    if let Ok(Some(request)) = Request::decode(input) {
        assert_eq!(
            Request::decode(&request.encode()),
            Ok(Some(request.clone()))
        );
        answer(request);
    }
    if let Ok(Some(Port2Response::Found(registration))) = Port2Response::decode(input) {
        let response = Port2Response::Found(registration.clone()).encode();
        let Ok(Some(Port2Response::Found(again))) = Port2Response::decode(&response) else {
            panic!("{response:?} is no response");
        };
        // Extra bytes are only sent up to a bound.
        assert!(registration.extra.starts_with(&again.extra));
        let extra = again.extra.clone();
        assert_eq!(
            again,
            Registration {
                extra,
                ..registration
            }
        );
    }
    if let Ok(response) = NamesResponse::decode(input) {
        assert_eq!(NamesResponse::decode(&response.encode()), Ok(response));
    }
    let _ = Alive2Response::decode(input);
}

/// Answers the request twice: the second time, its name is taken.
fn answer(request: Request) {
    let mut registry = Registry::new(Creation::MIN);
    for attempt in 0..2 {
        let answer = registry
            .answer(request.clone(), Origin::Local, EPMD_PORT)
            .expect("a local request is answered");
        match &request {
            Request::Alive2(registration) => {
                let response = Alive2Response::decode(&answer.response);
                let registered = matches!(response, Ok(Some(Alive2Response::Registered(_))));
                assert_eq!(registered, attempt == 0, "{response:?}");
                assert_eq!(
                    registry.lookup(registration.name.as_str()),
                    Some(registration)
                );
            }
            Request::PortPlease2(_) => assert_eq!(
                Port2Response::decode(&answer.response),
                Ok(Some(Port2Response::Unknown))
            ),
            Request::Names => {
                let names = NamesResponse::decode(&answer.response).expect("a list of names");
                assert!(names.nodes.is_empty());
            }
        }
        assert!(registry.len() <= 1);
    }
}
