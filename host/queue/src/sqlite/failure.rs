//! What went wrong in SQLite, told as a [`StoreError`]. Nothing is retried here.

use rusqlite::ErrorCode;

use super::busy;
use super::file::Place;
use crate::error::StoreError;

/// An error inside a verb.
#[derive(Debug)]
pub(super) enum Failure {
    /// Of the library or the file.
    Sql(rusqlite::Error),
    /// Of the arguments or what the file holds.
    Store(StoreError),
}

pub(super) type Done<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// Whether the transaction cannot go on after it, for anybody's command.
    pub(super) fn ends_the_transaction(&self) -> bool {
        let Self::Sql(error) = self else { return false };
        !matches!(
            error.sqlite_error_code(),
            None | Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
        )
    }

    pub(super) fn at(self, place: &Place) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sql(error) => told(&error, place),
        }
    }
}

fn told(error: &rusqlite::Error, place: &Place) -> StoreError {
    let file = place.path.display();
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => busy::holder(&place.path).map_or_else(
            || format!("{file} is locked by another process"),
            |holder| format!("{file} is locked by {holder}"),
        ),
        Some(ErrorCode::DiskFull) => format!("no space is left for {file}"),
        Some(ErrorCode::ReadOnly) => {
            format!("{file} or its folder may not be written: {error}")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            format!("{file} cannot be opened: {error}; look at its folder and their permissions")
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::FileLockingProtocolFailed) => {
            format!("{file}: {error}")
        }
        _ => {
            return StoreError::Corrupt {
                store: place.address.clone(),
                place: format!("file {file}"),
                reason: error.to_string(),
            };
        }
    };
    StoreError::Unavailable { store: place.address.clone(), reason }
}
