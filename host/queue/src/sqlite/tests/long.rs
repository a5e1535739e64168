//! Work that takes long, and disks that do.

use super::*;

#[tokio::test]
async fn a_clear_and_a_prune_of_many_jobs_let_others_in_between_their_steps() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&place(&folder)).await;
    let jobs = vec![NewJob::new("a", 60); 2000];
    store.push(&channel(), Token::random(), None, &jobs).await.unwrap();
    for _ in 0..2 {
        let taken = take(&store, 1000).await;
        let failed: Vec<_> =
            taken.iter().map(|job| settlement(job, Verdict::Failed, Duration::from_hours(1))).collect();
        store.settle(Token::random(), &failed).await.unwrap();
    }
    store.push(&channel(), Token::random(), None, &jobs).await.unwrap();
    let commits = || store.bell.commits.load(Ordering::SeqCst);
    let before = commits();
    assert_eq!(store.clear(&channel()).await.unwrap(), 2000);
    let between = commits();
    assert!(between - before >= 4, "{} commits of a clear", between - before);
    assert_eq!(store.counts(&channel()).await.unwrap(), Counts { failed: 2000, ..Counts::default() });
    // A moment later than the failures.
    while store.prune_failed(&channel(), Duration::ZERO).await.unwrap() == 0 {}
    let steps = commits() - between;
    assert!(steps >= 4, "{steps} commits of a prune");
    assert_eq!(store.counts(&channel()).await.unwrap(), Counts::default());
}

#[tokio::test]
async fn a_file_that_does_not_answer_is_unavailable_and_usable_again_once_it_does() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place { answer_within: Duration::from_millis(200), ..place(&folder) };
    let store = Arc::new(opened(&place).await);
    let release = hold(&store).await;
    let token = Token::random();
    let job = [NewJob::new("a", 60)];
    let late = store.push(&channel(), token.clone(), None, &job).await.unwrap_err();
    assert!(late.is_transient() && late.to_string().contains("look at its disk"), "{late}");
    let (block, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(std::sync::Mutex::new(blocked));
    for _ in 0..5 {
        // More than there are connections that read.
        let blocked = Arc::clone(&blocked);
        let look = move |_: &Connection| {
            let _ = blocked.lock().unwrap().recv();
            Ok(())
        };
        assert!(store.readers.read(look).await.unwrap_err().is_transient());
    }
    drop((release, block));
    let again = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match store.push(&channel(), token.clone(), None, &job).await {
                Err(error) if error.is_transient() => {}
                answer => return answer.unwrap(),
            }
        }
    });
    assert_eq!(again.await.unwrap(), Pushed::Stored(vec![JobId(1)]), "once");
    let seen = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match store.counts(&channel()).await {
                Err(error) if error.is_transient() => {}
                counts => return counts.unwrap(),
            }
        }
    });
    assert_eq!(seen.await.unwrap().waiting, 1);
}
