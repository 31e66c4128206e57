//! The web worker's half of the page: the protocol, the session behind it, and the bindings to JavaScript.

mod ask;
mod draw;
mod failure;
mod fuse;
mod lab;
mod model;
mod place;
pub mod protocol;
mod session;
mod sink;
mod train;

pub use failure::Failure;
pub use model::Files;
pub use session::{Beside, Image, Input, Item, Lesson, Session};
pub use sink::{Array, Arrays, Sink};

use js_sys::{Float32Array, Object, Promise, Reflect, Uint8Array};
use protocol::{Command, Event};
use serde::Serialize;
use std::cell::Cell;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// A job, as `web/src/worker/job.js` makes it.
    pub type Job;
    #[wasm_bindgen(method)]
    fn emit(this: &Job, event: &JsValue, arrays: &Object);
    #[wasm_bindgen(method)]
    fn tick(this: &Job) -> Promise;
    #[wasm_bindgen(method)]
    fn now(this: &Job) -> f64;
    #[wasm_bindgen(method)]
    fn fail(this: &Job, thrown: &JsValue);

    /// The worker's own. A hook may hold no JavaScript value (it must be `Send`), so it calls the global function.
    #[wasm_bindgen(js_name = postMessage)]
    fn post_message(message: &JsValue);
}

impl Sink for Job {
    fn emit(&self, event: Event, arrays: Arrays) {
        fuse::burn();
        let object = Object::new();
        for (name, array) in arrays {
            let array: JsValue = match array {
                Array::U8(bytes) => Uint8Array::from(bytes.as_slice()).into(),
                Array::F32(values) => Float32Array::from(values.as_slice()).into(),
            };
            // A plain new object takes any property.
            let _ = Reflect::set(&object, &name.into(), &array);
        }
        let serializer =
            serde_wasm_bindgen::Serializer::new().serialize_missing_as_null(true).serialize_maps_as_objects(true);
        match event.serialize(&serializer) {
            Ok(event) => Job::emit(self, &event, &object),
            Err(error) => self.fail(&error.into()),
        }
    }

    async fn tick(&self) -> bool {
        fuse::burn();
        JsFuture::from(Job::tick(self)).await.is_ok_and(|go_on| go_on.is_truthy())
    }

    fn seconds(&self) -> f64 {
        self.now() / 1000.0
    }
}

/// The session as JavaScript holds it.
#[wasm_bindgen(js_name = Session)]
pub struct JsSession {
    /// Taken out while a command runs: the worker runs one at a time.
    session: Cell<Option<Session>>,
}

#[wasm_bindgen(js_class = Session)]
impl JsSession {
    /// From now on the text of a panic is posted as `{ panic }`, before the trap that follows it.
    #[wasm_bindgen(constructor)]
    #[expect(clippy::new_without_default, reason = "JavaScript calls it")]
    pub fn new() -> JsSession {
        std::panic::set_hook(Box::new(|info| {
            console_error_panic_hook::hook(info);
            let message = Object::new();
            let _ = Reflect::set(&message, &"panic".into(), &info.to_string().into());
            post_message(&message);
        }));
        JsSession { session: Cell::new(Some(Session::default())) }
    }

    /// Runs a command; all that it has to say goes to `job`.
    pub async fn run(&self, command: JsValue, input: JsValue, job: Job) {
        let Some(mut session) = self.session.take() else {
            let busy = Failure::new("bad-request", "The engine is busy with another command.");
            return Sink::emit(&job, busy.into_event(), Vec::new());
        };
        match read(command, &input) {
            Ok((command, input)) => session.run(command, input, &job).await,
            Err(failure) => Sink::emit(&job, failure.into_event(), Vec::new()),
        }
        self.session.set(Some(session));
    }
}

/// SHA-256 in hexadecimal; the browser's own is missing where a page is not served securely.
#[wasm_bindgen]
pub fn sha256(bytes: &[u8]) -> String {
    models::registry::sha256(bytes)
}

fn read(command: JsValue, input: &JsValue) -> Result<(Command, Input), Failure> {
    let command: Command = serde_wasm_bindgen::from_value(command)
        .map_err(|e| Failure::new("bad-request", format!("The command was not understood: {e}.")))?;
    let input = match command {
        Command::Open { .. } => Input::Files(Files {
            card: get(input, "card").as_string().unwrap_or_default(),
            weights: Uint8Array::new(&get(input, "weights")).to_vec(),
            golden: Uint8Array::new(&get(input, "golden")).to_vec(),
            own: get(input, "own").is_truthy(),
            no_webgpu: get(input, "noWebgpu").as_string(),
        }),
        Command::Sample { .. }
        | Command::Encode { .. }
        | Command::LogProb { .. }
        | Command::Posterior { .. }
        | Command::Prepare { .. }
        | Command::Lab { .. } => Input::Beside(beside(input)),
        Command::Train { .. } => Input::Lesson(Lesson {
            images: Uint8Array::new(&get(input, "images")).to_vec(),
            states: get(input, "states").dyn_into::<Uint8Array>().ok().map(|bytes| bytes.to_vec()),
        }),
        _ => Input::Nothing,
    };
    Ok((command, input))
}

/// Everything beside a command: pictures as `{ rgba, width, height }`, lists of numbers as typed arrays.
fn beside(input: &JsValue) -> Beside {
    let Some(object) = input.dyn_ref::<Object>() else { return Beside::new() };
    let item = |value: JsValue| match value.dyn_into::<Float32Array>() {
        Ok(values) => Item::Values(values.to_vec()),
        Err(value) => Item::Picture(Image {
            rgba: Uint8Array::new(&get(&value, "rgba")).to_vec(),
            width: get(&value, "width").as_f64().unwrap_or_default() as usize,
            height: get(&value, "height").as_f64().unwrap_or_default() as usize,
        }),
    };
    let pairs = Object::entries(object).iter().map(|pair| js_sys::Array::from(&pair)).collect::<Vec<_>>();
    pairs.into_iter().filter_map(|pair| Some((pair.get(0).as_string()?, item(pair.get(1))))).collect()
}

fn get(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}
