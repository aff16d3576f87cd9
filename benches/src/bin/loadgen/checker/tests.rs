use super::*;

fn verdicts(cursor: &mut Cursor, seqs: &[u64]) -> Vec<Verdict> {
    seqs.iter().map(|seq| cursor.take(*seq)).collect()
}

#[test]
fn a_dense_stream_is_in_order_and_complete() {
    let mut cursor = Cursor::new(4, 9);
    assert_eq!(verdicts(&mut cursor, &[5, 6, 7]), [Verdict::InOrder; 3]);
    assert!(cursor.is_complete(7));
    assert!(!cursor.is_complete(8));
    assert_eq!((cursor.lost(7), cursor.lost(9)), (0, 2));
}

#[test]
fn a_planted_loss_is_found_in_the_middle_and_at_the_end() {
    let mut cursor = Cursor::new(0, 0);
    assert_eq!(
        verdicts(&mut cursor, &[1, 2, 5]),
        [Verdict::InOrder, Verdict::InOrder, Verdict::Gap(2)]
    );
    assert!(!cursor.is_complete(5));
    assert_eq!(cursor.lost(7), 4);
}

#[test]
fn a_planted_duplicate_is_found() {
    let mut cursor = Cursor::new(0, 0);
    assert_eq!(
        verdicts(&mut cursor, &[1, 2, 2, 1]),
        [
            Verdict::InOrder,
            Verdict::InOrder,
            Verdict::Duplicate,
            Verdict::Duplicate
        ]
    );
}

#[test]
fn a_planted_swap_is_late_and_not_lost() {
    let mut cursor = Cursor::new(0, 0);
    assert_eq!(
        verdicts(&mut cursor, &[1, 4, 3, 2, 3]),
        [
            Verdict::InOrder,
            Verdict::Gap(2),
            Verdict::Late,
            Verdict::Late,
            Verdict::Duplicate
        ]
    );
    assert!(cursor.is_complete(4));
    assert_eq!(cursor.lost(4), 0);
}

#[test]
fn late_arrivals_split_a_gap() {
    let mut cursor = Cursor::new(0, 0);
    assert_eq!(cursor.take(10), Verdict::Gap(9));
    assert_eq!(verdicts(&mut cursor, &[5, 1, 9]), [Verdict::Late; 3]);
    assert_eq!(cursor.lost(10), 6);
    assert_eq!(cursor.take(5), Verdict::Duplicate);
}

#[test]
fn a_reset_explains_one_jump() {
    let mut cursor = Cursor::new(0, 0);
    cursor.reset(50);
    assert_eq!(cursor.rev(), 50);
    assert!(
        cursor.is_complete(30),
        "the client would reload the history"
    );
    assert_eq!(
        verdicts(&mut cursor, &[31, 33]),
        [Verdict::Explained(30), Verdict::Gap(1)]
    );
}

#[test]
fn revs_ascend_and_holes_are_told() {
    let mut cursor = Cursor::new(0, 3);
    assert_eq!(cursor.advance(4), Some(0));
    assert_eq!(cursor.advance(7), Some(2));
    assert_eq!(cursor.advance(7), None);
    assert_eq!(cursor.advance(6), None);
    assert_eq!(cursor.rev(), 7);
}

fn ledger(sent: u64) -> Ledger {
    let mut ledger = Ledger::new(0);
    for _ in 0..sent {
        ledger.send();
    }
    ledger
}

#[test]
fn receivers_must_agree_on_what_a_seq_is() {
    let mut ledger = ledger(2);
    assert_eq!(ledger.delivered(1, 11), Ok(1));
    assert_eq!(ledger.delivered(1, 11), Ok(2));
    assert_eq!(ledger.delivered(1, 12), Err(Contradiction::Mismatch));
    assert_eq!(ledger.acked(1, 13), Err(Contradiction::Mismatch));
    assert_eq!(ledger.acked(2, 12), Ok(()));
    assert_eq!(ledger.delivered(2, 11), Err(Contradiction::Mismatch));
    assert_eq!(ledger.last_acked(), 2);
}

#[test]
fn one_seq_for_two_sends_and_two_seqs_for_one_send_are_found() {
    let mut ledger = ledger(3);
    assert_eq!(ledger.acked(1, 11), Ok(()));
    assert_eq!(ledger.acked(1, 12), Err(Contradiction::AckedTwice));
    assert_eq!(ledger.delivered(1, 11), Ok(1));
    assert_eq!(ledger.delivered(2, 11), Ok(1));
    assert_eq!(ledger.delivered(3, 0), Ok(1));
    assert_eq!(ledger.doubled(), 1);
}

#[test]
fn a_wild_seq_is_refused_without_memory() {
    let mut ledger = ledger(1);
    assert_eq!(ledger.delivered(1 << 52, 1), Err(Contradiction::Unknown));
    assert_eq!(ledger.delivered(0, 1), Err(Contradiction::Unknown));
    assert!(ledger.entries.len() <= 1);
}

#[test]
fn findings_keep_few_examples_and_count_all() {
    let mut findings = Findings::default();
    assert!(findings.is_clean());
    findings.add(Violation::Lost, 0, || unreachable!("nothing was lost"));
    assert!(findings.is_clean());
    for seq in 0..100 {
        findings.add(Violation::Lost, 2, || format!("seq {seq}"));
    }
    assert!(!findings.is_clean());
    assert_eq!(findings.count(Violation::Lost), 200);
    assert_eq!(findings.count(Violation::Duplicate), 0);
    assert_eq!(findings.examples().len(), EXAMPLES);
    assert_eq!(findings.examples()[0], "lost: seq 0");
}
