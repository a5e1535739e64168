//! Opening what lies below a granted folder: regular files and folders, nothing else. To open a pipe waits for its other
//! end, and a device may do anything; such a call cannot be called off and would keep a thread of the host for ever.
//! Where paths lead is not decided here but by the WASI implementation, which does the opening.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, Host, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{FsError, FsResult};

use crate::host::State;

/// The instance in which the WASI implementation defines the function; a test makes sure that it is this one.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";
const FUNCTION: &str = "[method]descriptor.open-at";

type Opened = Result<Resource<Descriptor>, ErrorCode>;
type Arguments = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);

/// Puts a function before the linker's own that refuses what must not be opened.
pub(crate) fn guard(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let wrapped = linker.instance(INTERFACE).and_then(|mut interface| {
        interface.func_wrap_async(FUNCTION, |mut store: StoreContextMut<'_, State>, arguments: Arguments| {
            Box::new(async move {
                let mut files = store.data_mut().filesystem();
                match opened(&mut files, arguments).await {
                    Ok(opened) => Ok((Opened::Ok(opened),)),
                    Err(error) => Ok((Opened::Err(files.convert_error_code(error)?),)),
                }
            })
        })
    });
    linker.allow_shadowing(false);
    wrapped
}

async fn opened(files: &mut impl HostDescriptor, arguments: Arguments) -> FsResult<Resource<Descriptor>> {
    let (folder, follow, path, how, access) = arguments;
    // Handles are borrowed by number here and given back below, as the guest's own call would.
    let same = || Resource::new_borrow(folder.rep());
    match files.stat_at(same(), follow, path.clone()).await {
        Ok(found) => permitted(found.type_)?,
        // Not there, or not to be looked at: opening says what is wrong, or creates a regular file.
        Err(error) => {
            error.downcast().map_err(FsError::trap)?;
        }
    }
    let opened = files.open_at(folder, follow, path, how, access).await?;
    // It may have become something else in between.
    let kind = files.get_type(Resource::new_borrow(opened.rep())).await?;
    match permitted(kind) {
        Ok(()) => Ok(opened),
        Err(refused) => {
            files.drop(opened).map_err(FsError::trap)?;
            Err(refused)
        }
    }
}

/// A link is the other's to judge: where it is not to be followed, opening it fails.
fn permitted(kind: DescriptorType) -> FsResult<()> {
    match kind {
        DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink => Ok(()),
        _ => Err(ErrorCode::NotPermitted.into()),
    }
}
