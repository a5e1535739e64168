//! What a guest may pile up on the host's side before it sends anything: methods, URLs, headers and the ends of bodies.
//! None of it is in the guest's memory, and the engine bounds each piece at most, never their sum.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::p2::bindings::http::types::{
    FieldValue, Fields, HeaderError, HostFields, HostOutgoingRequest, HostOutgoingResponse, Method, OutgoingBody,
    OutgoingRequest, OutgoingResponse,
};
use wasmtime_wasi_http::{FieldMap, WasiHttpView};

use crate::host::State;
use crate::limits::bytes;

/// The interface whose functions are replaced, as the engine spells it.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Bytes that a call may put into methods, URLs and headers, at the least.
const LEAST: u64 = 16 << 20;

/// Bytes for each request that the call may send, where that is more.
const EACH: u64 = 4 << 10;

/// Bodies beyond those of requests that may be sent, for a guest that is refused some.
const REFUSED: u32 = 100;

/// A name and a value come with a header besides their bytes.
const ENTRY: usize = 64;

/// What a call may still pile up. Nothing is given back: whoever does with less is not slowed down by counting.
pub(crate) struct Heads {
    most: u64,
    left: u64,
    bodies: u32,
}

/// A call that has passed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error("more than {0} bytes of methods, URLs and headers in one call; the limit is `http-requests`")]
    Bytes(u64),
    #[error("bodies of more requests than one call may send; the limit is `http-requests`")]
    Bodies,
}

impl Heads {
    pub(super) fn new(requests: u32) -> Self {
        let most = LEAST.max(u64::from(requests).saturating_mul(EACH));
        Self { most, left: most, bodies: requests.saturating_add(REFUSED) }
    }

    pub(crate) fn add(&mut self, size: usize) -> Result<(), TooMuch> {
        self.left = self.left.checked_sub(bytes(size)).ok_or(TooMuch::Bytes(self.most))?;
        Ok(())
    }

    pub(crate) fn add_body(&mut self) -> Result<(), TooMuch> {
        self.bodies = self.bodies.checked_sub(1).ok_or(TooMuch::Bodies)?;
        Ok(())
    }
}

type Store<'a> = StoreContextMut<'a, State>;
type Changed = Result<(), HeaderError>;

/// Puts functions before the linker's own that count what the guest hands over.
pub(super) fn guard(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    guard_fields(linker)?;
    let mut types = linker.instance(TYPES)?;
    types.func_wrap(
        "[method]outgoing-request.set-method",
        |mut store: Store<'_>, (request, method): (Resource<OutgoingRequest>, Method)| {
            let size = if let Method::Other(name) = &method { name.len() } else { 0 };
            store.data_mut().heads().add(size)?;
            Ok((HostOutgoingRequest::set_method(&mut store.data_mut().http(), request, method)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-authority",
        |mut store: Store<'_>, (request, authority): (Resource<OutgoingRequest>, Option<String>)| {
            store.data_mut().heads().add(authority.as_ref().map_or(0, String::len))?;
            Ok((HostOutgoingRequest::set_authority(&mut store.data_mut().http(), request, authority)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.set-path-with-query",
        |mut store: Store<'_>, (request, path): (Resource<OutgoingRequest>, Option<String>)| {
            store.data_mut().heads().add(path.as_ref().map_or(0, String::len))?;
            Ok((HostOutgoingRequest::set_path_with_query(&mut store.data_mut().http(), request, path)?,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-request.body",
        |mut store: Store<'_>, (request,): (Resource<OutgoingRequest>,)| {
            store.data_mut().heads().add_body()?;
            let body: Result<Resource<OutgoingBody>, ()> =
                HostOutgoingRequest::body(&mut store.data_mut().http(), request)?;
            Ok((body,))
        },
    )?;
    types.func_wrap(
        "[method]outgoing-response.body",
        |mut store: Store<'_>, (response,): (Resource<OutgoingResponse>,)| {
            store.data_mut().heads().add_body()?;
            let body: Result<Resource<OutgoingBody>, ()> =
                HostOutgoingResponse::body(&mut store.data_mut().http(), response)?;
            Ok((body,))
        },
    )
}

fn guard_fields(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance(TYPES)?;
    types.func_wrap("[static]fields.from-list", |mut store: Store<'_>, (entries,): (Vec<(String, FieldValue)>,)| {
        let size = entries.iter().map(|(name, value)| name.len() + value.len() + ENTRY).sum();
        store.data_mut().heads().add(size)?;
        let made = HostFields::from_list(&mut store.data_mut().http(), entries);
        let made: Result<Resource<Fields>, HeaderError> = match made {
            Ok(fields) => Ok(fields),
            Err(error) => Err(error.downcast()?),
        };
        Ok((made,))
    })?;
    types.func_wrap(
        "[method]fields.set",
        |mut store: Store<'_>, (fields, name, values): (Resource<Fields>, String, Vec<FieldValue>)| {
            let size = values.iter().map(|value| value.len() + ENTRY).sum::<usize>() + name.len();
            store.data_mut().heads().add(size)?;
            let set = HostFields::set(&mut store.data_mut().http(), fields, name, values);
            Ok((changed(set)?,))
        },
    )?;
    types.func_wrap(
        "[method]fields.append",
        |mut store: Store<'_>, (fields, name, value): (Resource<Fields>, String, FieldValue)| {
            store.data_mut().heads().add(name.len() + value.len() + ENTRY)?;
            let set = HostFields::append(&mut store.data_mut().http(), fields, name, value);
            Ok((changed(set)?,))
        },
    )?;
    types.func_wrap("[method]fields.clone", |mut store: Store<'_>, (fields,): (Resource<Fields>,)| {
        let size = held(store.data_mut().http().table.get(&fields)?);
        store.data_mut().heads().add(size)?;
        Ok((HostFields::clone(&mut store.data_mut().http(), fields)?,))
    })
}

fn changed(result: Result<(), wasmtime_wasi_http::p2::HeaderError>) -> wasmtime::Result<Changed> {
    match result {
        Ok(()) => Ok(Ok(())),
        Err(error) => Ok(Err(error.downcast()?)),
    }
}

/// Bytes of headers, about as they are kept.
fn held(fields: &FieldMap) -> usize {
    fields.iter().map(|(name, value)| name.as_str().len() + value.len() + ENTRY).sum()
}
