//! Opening what lies below a granted folder: regular files and folders, nothing else. To open a pipe waits for its other
//! end, and a device may do anything; such a call cannot be called off and would keep a thread of the host for ever.
//! Where paths lead is not decided here but by the WASI implementation, which does the opening. What comes to lie at a
//! path between the look at it and the opening is opened whatever it is. How many are open is counted, since each is open in
//! the host's process too, which has only so many.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, DirectoryEntryStream, ErrorCode, Host, HostDescriptor, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use crate::host::State;

/// The instance in which the WASI implementation defines the functions; a test makes sure that it is this one.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";
const OPEN: &str = "[method]descriptor.open-at";
/// Holds a whole folder's names in the host.
const LIST: &str = "[method]descriptor.read-directory";
/// Opens what it sets the times of.
const SET_TIMES: &str = "[method]descriptor.set-times-at";

type Answer<T> = Result<T, ErrorCode>;
type ToOpen = (Resource<Descriptor>, PathFlags, String, OpenFlags, DescriptorFlags);
type ToSetTimes = (Resource<Descriptor>, PathFlags, String, NewTimestamp, NewTimestamp);

/// A call that has as many files open as it may.
#[derive(Debug, thiserror::Error)]
#[error("too many open files")]
pub(crate) struct TooManyFiles;

/// Puts functions before the linker's own that refuse what must not be opened.
pub(crate) fn guard(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let wrapped = shadow(linker);
    linker.allow_shadowing(false);
    wrapped
}

fn shadow(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(INTERFACE)?;
    interface.func_wrap_async(OPEN, |mut store: StoreContextMut<'_, State>, arguments: ToOpen| {
        Box::new(async move {
            let state = store.data_mut();
            few(state.open_files(), state.table())?;
            let mut files = store.data_mut().filesystem();
            let opened = open(&mut files, arguments).await;
            Ok((answer(&mut files, opened)?,))
        })
    })?;
    interface.func_wrap_async(LIST, |mut store: StoreContextMut<'_, State>, (folder,): (Resource<Descriptor>,)| {
        Box::new(async move {
            let state = store.data_mut();
            few(state.open_files(), state.table())?;
            let mut files = store.data_mut().filesystem();
            let listed = files.read_directory(folder).await;
            Ok((answer(&mut files, listed)?,))
        })
    })?;
    interface.func_wrap_async(SET_TIMES, |mut store: StoreContextMut<'_, State>, arguments: ToSetTimes| {
        Box::new(async move {
            let mut files = store.data_mut().filesystem();
            let set = set_times(&mut files, arguments).await;
            Ok((answer(&mut files, set)?,))
        })
    })
}

/// Whether one more may be opened. A stream keeps its file open when the guest has dropped that.
fn few(most: usize, table: &mut ResourceTable) -> Result<(), TooManyFiles> {
    let mut counts = [0; 4];
    for entry in table.iter_mut() {
        let kinds = [
            entry.is::<Descriptor>(),
            entry.is::<DynInputStream>(),
            entry.is::<DynOutputStream>(),
            entry.is::<DirectoryEntryStream>(),
        ];
        for (count, is) in counts.iter_mut().zip(kinds) {
            *count += usize::from(is);
        }
    }
    if counts.iter().all(|count| *count < most) { Ok(()) } else { Err(TooManyFiles) }
}

fn answer<T>(files: &mut impl Host, result: FsResult<T>) -> wasmtime::Result<Answer<T>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(files.convert_error_code(error)?)),
    }
}

async fn open(files: &mut impl HostDescriptor, arguments: ToOpen) -> FsResult<Resource<Descriptor>> {
    let (folder, follow, path, how, access) = arguments;
    look(files, &folder, follow, &path).await?;
    files.open_at(folder, follow, path, how, access).await
}

async fn set_times(files: &mut impl HostDescriptor, arguments: ToSetTimes) -> FsResult<()> {
    let (folder, follow, path, accessed, modified) = arguments;
    look(files, &folder, follow, &path).await?;
    files.set_times_at(folder, follow, path, accessed, modified).await
}

/// Whether what is at the path may be opened. What is not there may: opening says so, or creates a regular file.
async fn look(
    files: &mut impl HostDescriptor,
    folder: &Resource<Descriptor>,
    follow: PathFlags,
    path: &str,
) -> FsResult<()> {
    // Handles are borrowed by number here, as the guest's own call would.
    match files.stat_at(Resource::new_borrow(folder.rep()), follow, path.to_owned()).await {
        Ok(found) => permitted(found.type_),
        Err(error) => match error.downcast().map_err(FsError::trap)? {
            ErrorCode::NoEntry => Ok(()),
            other => Err(other.into()),
        },
    }
}

/// A link is the other's to judge: where it is not to be followed, opening it fails.
fn permitted(kind: DescriptorType) -> FsResult<()> {
    match kind {
        DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink => Ok(()),
        _ => Err(ErrorCode::NotPermitted.into()),
    }
}
