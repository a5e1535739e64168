//! Bindings of the plugin interface, generated from the WIT files. They fix no set of exports: which of the exported
//! interfaces a component has is found out when it is loaded.

#[expect(missing_docs, reason = "generated code; the WIT files document it")]
mod generated {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "everything",
        imports: { default: async | trappable },
        exports: { default: async },
        additional_derives: [PartialEq],
    });
}

mod grantable {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "grantable",
        imports: { default: async | trappable },
        with: {
            "wasi:keyvalue/store.bucket": crate::capabilities::keyvalue::Open,
            "wasi:keyvalue/atomics.cas": crate::capabilities::keyvalue::Cas,
        },
    });
}

pub(crate) use generated::exports::jobhost::plugin as exported;
pub(crate) use generated::jobhost::plugin as imported;
pub(crate) use grantable::jobhost::plugin::{http, secrets};
pub(crate) use grantable::wasi::config::store as config;
pub(crate) use grantable::wasi::keyvalue;
