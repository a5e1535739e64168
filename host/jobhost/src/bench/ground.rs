//! Where it is measured: the store, channels of one's own in it, and their end.

use std::sync::{Arc, Mutex, PoisonError};

use jobhost_queue::{Channel, OpenOptions, Store, StoreError, Token, open};
use tempfile::TempDir;

use super::{Bench, BenchError, Place, Synchronous};

/// How the channels of every bench begin.
const PREFIX: &str = "jobhost-bench-";

/// A store, and what was made in it.
pub(super) struct Ground {
    store: Arc<dyn Store>,
    url: String,
    place: Place,
    made: Mutex<Made>,
    /// Goes with all that is in it, if the store is of our own making.
    folder: Option<TempDir>,
}

#[derive(Default)]
struct Made {
    count: u32,
    channels: Vec<Channel>,
}

impl Ground {
    /// Opens the store, or makes one.
    pub(super) async fn open(bench: &Bench) -> Result<Self, BenchError> {
        let (url, folder) = if let Some(url) = &bench.store {
            (url.clone(), None)
        } else {
            let (url, folder) = own_file(bench)?;
            (url, Some(folder))
        };
        let store = open(&url, OpenOptions::default()).await?;
        let random = Token::random();
        let channels = format!("{PREFIX}{}-", &random.as_str()[..12]);
        let place = Place { address: store.address().to_owned(), channels, vitals: store.vitals().await? };
        Ok(Self { store, url, place, made: Mutex::default(), folder })
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The store once more, as another process has it.
    pub(super) async fn another(&self) -> Result<Arc<dyn Store>, StoreError> {
        open(&self.url, OpenOptions::default()).await
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// A channel that nobody has used.
    pub(super) async fn channel(&self) -> Result<Channel, BenchError> {
        let count = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            made.count += 1;
            made.count
        };
        let channel = Channel::new(&format!("{}{count}", self.place.channels))?;
        if self.store.is_used(&channel).await? {
            return Err(BenchError::NotSo(format!(
                "store {} has something in channel {channel} already; nothing was measured in it, and it was left alone",
                self.place.address
            )));
        }
        self.made.lock().unwrap_or_else(PoisonError::into_inner).channels.push(channel.clone());
        Ok(channel)
    }

    /// Removes a channel with all that is in it.
    pub(super) async fn leave(&self, channel: &Channel) -> Result<(), BenchError> {
        self.store.erase(channel).await?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).channels.retain(|made| made != channel);
        Ok(())
    }

    /// Removes all that is left.
    pub(super) async fn clean(&self) -> Result<(), BenchError> {
        if self.folder.is_some() {
            return Ok(());
        }
        let left = self.made.lock().unwrap_or_else(PoisonError::into_inner).channels.clone();
        for channel in &left {
            self.leave(channel).await.map_err(|error| {
                BenchError::NotSo(format!(
                    "what is in store {} in the channels {}… could not be removed: {error}; remove it when the store answers",
                    self.place.address, self.place.channels
                ))
            })?;
        }
        Ok(())
    }
}

/// A folder with room for a SQLite file, and the file's address.
fn own_file(bench: &Bench) -> Result<(String, TempDir), BenchError> {
    let unusable = |why: String| {
        BenchError::NotSo(format!(
            "no SQLite file can be made in {}: {why}; name another folder with --folder, or a store with --store",
            bench.folder.display()
        ))
    };
    let folder = std::path::absolute(&bench.folder).map_err(|error| unusable(error.to_string()))?;
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder);
    let folder = folder.map_err(|error| unusable(error.to_string()))?;
    let path = folder.path().join("jobs.db");
    let path = path.to_str().ok_or_else(|| unusable("its path is not UTF-8".to_owned()))?;
    if path.contains('?') {
        return Err(unusable("its path has a question mark, which the address of a store cannot have".to_owned()));
    }
    let synchronous = match bench.synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    Ok((format!("sqlite:{path}?synchronous={synchronous}"), folder))
}
