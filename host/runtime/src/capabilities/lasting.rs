//! What a guest is given for as long as its instance lives: its standard streams, and the folders that it was granted.
//! Languages ask for them once and keep them. Everything else that the host hands out is of one call, and an instance that
//! still holds any of it at the end of its call serves no other, so that no handle outlives the call that it was for.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable, ResourceTableError};
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::bindings::filesystem::preopens;

use crate::host::State;

/// Entries that are noted. A guest that asks for more of them has no use for an instance that lasts.
pub(crate) const MOST: usize = 256;

/// What lasts: each entry is the child of one that no guest can name, since the table drops a child that the guest lets go
/// of, whose number may then be another's.
pub(crate) struct Lasting {
    /// Whether anybody wants to know.
    counted: bool,
    /// The numbers of parents and of their children.
    entries: Vec<(u32, u32)>,
}

/// The parent of an entry that lasts.
struct Lasts;

impl Lasting {
    pub(crate) fn new(counted: bool) -> Self {
        Self { counted, entries: Vec::new() }
    }

    /// Notes that this entry lasts.
    pub(crate) fn add<R: 'static>(
        &mut self,
        table: &mut ResourceTable,
        resource: &Resource<R>,
    ) -> Result<(), ResourceTableError> {
        if !self.counted {
            return Ok(());
        }
        // The table refuses to let go of a parent.
        self.entries.retain(|(parent, _)| table.delete(Resource::<Lasts>::new_own(*parent)).is_err());
        if self.entries.len() < MOST {
            let parent = table.push(Lasts)?.rep();
            table.add_child(Resource::<R>::new_borrow(resource.rep()), Resource::<Lasts>::new_borrow(parent))?;
            self.entries.push((parent, resource.rep()));
        }
        Ok(())
    }

    /// Entries of the table that last: those that were noted and are still there, their parents, and what tells whether
    /// they are ready, which languages keep too.
    pub(crate) fn count(&self, table: &ResourceTable) -> usize {
        self.entries.iter().map(|(parent, child)| 1 + count_one(table, *parent, *child)).sum()
    }
}

/// An entry that lasts, and its pollables; 0 if the guest let go of it.
fn count_one(table: &ResourceTable, parent: u32, child: u32) -> usize {
    let children = table.iter_children(&Resource::<Lasts>::new_borrow(parent));
    if children.map_or(0, Iterator::count) == 0 {
        return 0;
    }
    let pollables = table.iter_children(&Resource::<Lasts>::new_borrow(child));
    1 + pollables.map_or(0, |all| all.filter(|one| one.is::<DynPollable>()).count())
}

/// Puts functions before the linker's own that note what they hand out.
pub(crate) fn guard(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let shadowed = shadow(linker);
    linker.allow_shadowing(false);
    shadowed
}

type Store<'a> = StoreContextMut<'a, State>;

fn shadow(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    macro_rules! stream {
        ($module:ident, $interface:literal, $name:literal, $get:ident) => {
            linker.instance($interface)?.func_wrap($name, |mut store: Store<'_>, ()| {
                let stream = $module::Host::$get(&mut store.data_mut().cli())?;
                store.data_mut().lasts(&stream)?;
                Ok((stream,))
            })?;
        };
    }
    stream!(stdin, "wasi:cli/stdin@0.2.12", "get-stdin", get_stdin);
    stream!(stdout, "wasi:cli/stdout@0.2.12", "get-stdout", get_stdout);
    stream!(stderr, "wasi:cli/stderr@0.2.12", "get-stderr", get_stderr);
    linker.instance("wasi:filesystem/preopens@0.2.12")?.func_wrap("get-directories", |mut store: Store<'_>, ()| {
        let folders = preopens::Host::get_directories(&mut store.data_mut().filesystem())?;
        for (folder, _) in &folders {
            store.data_mut().lasts(folder)?;
        }
        Ok((folders,))
    })
}

#[cfg(test)]
mod tests {
    use wasmtime_wasi::p2::subscribe;

    use super::*;
    use crate::output::Capture;

    /// All entries, and those that last.
    fn counts(table: &mut ResourceTable, lasting: &Lasting) -> (usize, usize) {
        (table.iter_mut().count(), lasting.count(table))
    }

    #[test]
    fn what_lasts_is_counted_until_the_guest_lets_go_of_it() {
        let (mut table, mut lasting) = (ResourceTable::new(), Lasting::new(true));
        let (folder, file) = (table.push("folder").unwrap(), table.push("file").unwrap());
        assert_eq!(counts(&mut table, &lasting), (2, 0));
        lasting.add(&mut table, &folder).unwrap();
        assert_eq!(counts(&mut table, &lasting), (3, 2));
        let taken = folder.rep();
        table.delete(folder).unwrap();
        assert_eq!(counts(&mut table, &lasting), (2, 1));
        let another = table.push("another file").unwrap();
        assert_eq!(another.rep(), taken);
        assert_eq!(counts(&mut table, &lasting), (3, 1), "it has the folder's number and does not last");
        lasting.add(&mut table, &file).unwrap();
        assert_eq!(counts(&mut table, &lasting), (3, 2), "what is gone has no parent any more");
        table.delete(file).unwrap();
        table.delete(another).unwrap();
        assert_eq!(counts(&mut table, &lasting), (1, 1));
    }

    #[test]
    fn of_what_hangs_on_it_only_whether_it_is_ready_lasts() {
        let (mut table, mut lasting) = (ResourceTable::new(), Lasting::new(true));
        let stream = table.push(Capture::new(1, 1)).unwrap();
        lasting.add(&mut table, &stream).unwrap();
        let pollable = subscribe(&mut table, Resource::<Capture>::new_borrow(stream.rep())).unwrap();
        assert_eq!(counts(&mut table, &lasting), (3, 3));
        let file = table.push_child("file", &stream).unwrap();
        assert_eq!(counts(&mut table, &lasting), (4, 3));
        table.delete(file).unwrap();
        table.delete(pollable).unwrap();
        assert_eq!(counts(&mut table, &lasting), (2, 2));
    }

    #[test]
    fn there_is_an_end_to_what_lasts() {
        let (mut table, mut lasting) = (ResourceTable::new(), Lasting::new(true));
        for _ in 0..MOST + 5 {
            let stream = table.push("stream").unwrap();
            lasting.add(&mut table, &stream).unwrap();
        }
        assert_eq!(counts(&mut table, &lasting), (2 * MOST + 5, 2 * MOST));
    }

    #[test]
    fn nothing_is_noted_where_nobody_wants_to_know() {
        let (mut table, mut lasting) = (ResourceTable::new(), Lasting::new(false));
        let folder = table.push("folder").unwrap();
        lasting.add(&mut table, &folder).unwrap();
        assert_eq!(counts(&mut table, &lasting), (1, 0));
    }
}
