//! What can go wrong with a store, told to the person who has to act.

/// An error of a store. Messages are lowercase fragments that name the thing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be reached or cannot take a write now: connection
    /// refused or cut, `LOADING`, `READONLY`, `OOM`, a locked or full file.
    /// The same call, with the same token, may succeed later.
    #[error("store {store} is not available: {reason}")]
    Unavailable {
        /// The store's address, without password.
        store: String,
        /// What the server, the file system or the library said.
        reason: String,
    },
    /// The address, a channel or another argument is not usable.
    #[error("{0}")]
    Invalid(String),
    /// A key, table or record holds what jobhost and yii2-queue never write.
    #[error("{place} in store {store} is not usable: {reason}")]
    Corrupt {
        /// The store's address, without password.
        store: String,
        /// The key, table or file.
        place: String,
        /// What was found, what was expected, what to do.
        reason: String,
    },
    /// The store holds nothing yet and was opened only to look.
    #[error("{0} does not exist; `jobhost push` or `jobhost run` creates it")]
    Absent(String),
}

impl StoreError {
    /// An [`StoreError::Invalid`] of anything that can be displayed.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    pub fn invalid(why: impl ToString) -> Self {
        Self::Invalid(why.to_string())
    }

    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
