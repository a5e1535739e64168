//! A few connections that only read, so that who looks does not wait for who
//! writes.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use super::failure::Done;
use super::file::Place;
use crate::error::StoreError;

/// How many may read at a time.
const CONNECTIONS: usize = 4;

pub(super) struct Readers {
    place: Arc<Place>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(place: Arc<Place>) -> Self {
        Self { place, idle: Arc::default(), permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Runs `look` on one state of the file, off the async threads.
    pub(super) async fn read<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Done<T> + Send + 'static,
    {
        let (place, idle) = (Arc::clone(&self.place), Arc::clone(&self.idle));
        let gone = |reason: String| StoreError::Unavailable { store: self.place.address.clone(), reason };
        let read = async {
            let permit = Arc::clone(&self.permits).acquire_owned().await;
            let permit = permit.map_err(|error| gone(error.to_string()))?;
            tokio::task::spawn_blocking(move || {
                // Kept by the thread: one that hangs with its disk is not followed by ever more.
                let _permit = permit;
                place.is_still_there()?;
                let held = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let mut connection = match held {
                    Some(connection) => connection,
                    None => reading(&place)?,
                };
                let seen = one_state(&mut connection, look).map_err(|failure| failure.at(&place))?;
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                Ok(seen)
            })
            .await
            .map_err(|error| gone(format!("a look at it was cut short: {error}")))?
        };
        self.place.in_time(read).await
    }
}

/// A connection that cannot write.
pub(super) fn reading(place: &Place) -> Result<Connection, StoreError> {
    let connection = place.connect(OpenFlags::empty())?;
    connection
        .pragma_update(None, "query_only", true)
        .map_err(|error| super::failure::Failure::from(error).at(place))?;
    Ok(connection)
}

fn one_state<T>(connection: &mut Connection, look: impl FnOnce(&Connection) -> Done<T>) -> Done<T> {
    let transaction = connection.transaction()?;
    let seen = look(&transaction)?;
    transaction.commit()?;
    Ok(seen)
}
