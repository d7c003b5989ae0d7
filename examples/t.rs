use lbw::syntax::*;
fn main() {
    let n = 1 << 20;
    for (name, t) in [
        ("(", "(".repeat(n)),
        ("(a", "(a".repeat(n / 2)),
        ("(a[b)", "(a[b)".repeat(n / 5)),
        ("[a|", "[a|".repeat(n / 3)),
        ("<lora:", "<lora:".repeat(n / 6)),
        ("[[a:b:3]", "[[a:b:3]".repeat(n / 8)),
        ("[[..]]", "[".repeat(n / 2) + &"]".repeat(n / 2)),
        ("a", "a".repeat(n)),
        ("a:", "a:".repeat(n / 2)),
        ("AND ", "AND ".repeat(n / 4)),
        ("[(a:b):", "[(a:b):".repeat(n / 7)),
    ] {
        let s = std::time::Instant::now();
        let a = attention::parse(&t).pieces.len();
        let t1 = s.elapsed();
        let s = std::time::Instant::now();
        let m = Mapped::whole(&t);
        let sc = schedule::parse(&m);
        let t2 = s.elapsed();
        let s = std::time::Instant::now();
        let l = sc.lay_out(&m, schedule::Timeline::first_pass(20, false), 1 << 26).map(|l| l.len());
        let am = sc.ambiguities(&m).len();
        let t3 = s.elapsed();
        let s = std::time::Instant::now();
        let p = Prompt::parse(&t);
        let c = composition::parse(&p.body).len();
        let t4 = s.elapsed();
        println!("{name:10} {t1:?} {t2:?} {t3:?} {t4:?} {a} {l:?} {am} {c}");
    }
}
