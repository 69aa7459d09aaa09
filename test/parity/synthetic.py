"""Made-up documents with what real text is hard to split for, from a fixed seed. All of it was written for this project.

Used by tokens.py. Every kind yields the same number of documents, in turn.
"""
import random

SENTENCES = '''The film starts slowly, but the last half-hour is superb.
I can't believe they didn't cast her; she's easily the best actor they've got.
"It isn't over," he said, "and you'll see why we're worried."
Dr. Ellis and Mrs. O'Hara arrived at 7:30 p.m. on Jan. 5, in St. Louis, Mo.
We'd've gone if you hadn't been so late, y'know?
He works for Barnes & Sons Ltd. (founded in 1894), a well-known, family-owned firm.
The so-called "director's cut" runs 142 min., i.e. twenty minutes too long.
Who'd have thought that there's no ending? Not me.
Let's get 'em, shall we? C'mon, gimme a break, I'm gonna go anyway.
U.S. stocks fell 2.5% on Tuesday; the S&P 500 lost 31.2 points.
The mother-in-law of the then-president wasn't amused.
You cannot be serious, ma'am: it's half past nine o'clock!
They dont know what theyre missing, thats all.
Nothin' beats good ol' rock'n'roll, does it?
The 1990s (and the '80s) weren't so bad.
Rated 7/10 or 3.5/5, and/or "two thumbs up".
She read pp. 12-15 and 20–25 of vol. III, cf. fig. 4a.
Its engine gives 150hp at 4,500rpm, e.g. on the E.U. version.
The ship—a 19th-century schooner—sank off Cape Town.
Why? Because I said so... That's why!'''.split('\n')

HEADLINES = '''Oil prices climb above $68 a barrel as supply worries grow
Striker's late goal sends United top; City held 1-1 at home
Chipmaker's Q3 profit up 12%, shares jump (Update2)
Minister resigns over "cash-for-votes" claims -- report
Search firm's I.P.O. could raise $2.7bn, analysts say
Storm kills 14 in Gulf Coast towns; 30,000 homes w/o power'''.split('\n')

LANGUAGES = '''Das Wetter ist heute schön, und ich lese ein Buch über große Städte.
L’été dernier, j’ai visité l’Île-de-France avec mes élèves ; c’était très beau !
¿Dónde está la biblioteca? ¡Mañana iremos a España, señor Núñez!
Сегодня хорошая погода, и я читаю книгу о больших городах. Т.е. всё хорошо: 5км, 10 кг.
Сьогодні гарна погода, і я їжджу на велосипеді до Києва.
Σήμερα ο καιρός είναι καλός. Ο ΟΔΥΣΣΕΑΣ ΔΙΑΒΑΖΕΙ ΒΙΒΛΙΟ.
今天天气很好，我在看一本关于大城市的书。你呢？
今日は天気がいいので、本を読んでいます。「東京」は大きい。
오늘은 날씨가 좋아서 책을 읽고 있습니다. 서울은 큰 도시입니다.
الطقس جميل اليوم، وأنا أقرأ كتابا عن المدن الكبيرة؛ هل تقرأ؟ 5كم
היום מזג האוויר יפה ואני קורא ספר על ערים גדולות.
आज मौसम अच्छा है। मैं बड़े शहरों के बारे में एक किताब पढ़ रहा हूँ।
วันนี้อากาศดีและฉันกำลังอ่านหนังสือ
İstanbul'da hava güzel, ışık çok. DİKKAT!
Hôm nay trời đẹp và tôi đang đọc một cuốn sách.
Zażółć gęślą jaźń; ŁÓDŹ i Kraków to duże miasta.
Īss teksts latviešu valodā, ar garumzīmēm: āēīū.'''.split('\n')

EMOTICONS = ':) :-) :( :-( ;) :D XD <3 </3 :P :o) =) ^_^ -_- o_O :/ :-/ :)) (: >:( :\'( 8) (^_^) ¯\\(ツ)/¯ ಠ_ಠ'.split(' ')
EMOJI = '😀 😂 👍 👍🏽 ❤️ 🎬 🍿 ⭐ ✨ 🇬🇧 👩‍👧 🤣 🥰 🔥 ☕ ☃ ♥ ™ © ®'.split(' ')
URLS = '''http://example.com https://www.example.org/films/1234?sort=asc&page=2#top www.example.co.uk example.com/a_b-c
ftp://files.example.net:2121/pub/ someone@example.com first.last+tag@mail.example.co.uk mailto:info@example.org 192.0.2.17
10.0.0.1 http://192.0.2.1:8080/x localhost:3000 file.tar.gz C:\\temp\\new.txt /usr/local/bin #hashtag @handle'''.split()
QUANTITIES = '''$5 $1,299.99 £20 €3.50 ¥1000 US$12 C$7 A$9 5€ 10$ 3.5% 50% 100km 5km² 3kg 70mph 9.8m/s 12GB 500mb 20°C -4°F. 6ft 5'11" 1/2 3x4 2^10
3+4 7*8 5-3 1,000,000 3.14159 1e-5 0.5 .75 1st 22nd 10:30 10am 11p.m. 2001-09-11 12/31/1999 +44 20 7946 0000 (555) 010-9999 No.5 v2.0 C++ A4 B-52'''.split()
HTML = '''<p>Text with <b>bold</b>, <i>italics</i> &amp; <a href="http://example.com/?a=1&b=2">a link</a>.</p>
Line one<br />Line two<br /><br />Line &quot;three&quot; &lt;end&gt;
Fish &amp; chips &#163;5 &pound;5 &nbsp;&nbsp; caf&eacute; &hellip; it&#39;s #39;quoted#39; 5 &lt 6 &copy2020 &bogus; &#128; &#x1F600;
{"key": "a \\"quoted\\" value\\nnext line", "n": [1,2,3]}
<div class='x'>AT&amp;T</div><!-- comment --><script>if(a<b&&c>d){x+=1;}</script>
The <unk> of 3 @.@ 5 million well @-@ known people'''.split('\n')
SPACES = [' ', '  ', '   ', '\n', '\n\n', '\r\n', '\t', ' \n ', '\u00a0', '\u2009', '\u3000', '\u200b', '\ufeff', '\u2028', '\x0b', '\x85', '\x1c']
PUNCTUATION = '. , ; : ! ? … ... .. -- --- – — - ~ / \\ # & * _ = + ^ % § ¶ ° | < > ( ) [ ] { } " \' ` ´ ‘ ’ “ ” „ « » ¡ ¿ · • † ™'.split(' ')


def contractions(rng):
    stems = 'I you he she it we they who what where why how that there this could would should might must can do does did is was were have has ca wo sha ai'.split()
    endings = "'s 'm 're 've 'll 'd n't 'd've n't've ’s ’re n’t s d ll ve nt".split()
    return ' '.join(cased(rng, rng.choice(stems) + rng.choice(endings)) + rng.choice(['', '', '.', ',', '?']) for _ in range(rng.randint(3, 25)))


def abbreviations(rng):
    words = "a.m. p.m. Mr. Mrs. Ms. Dr. Prof. Rev. St. Inc. Ltd. Co. Corp. e.g. i.e. vs. etc. U.S. U.K. U.S.A. N.Y. D.C. Ph.D. B.A. Jan. Feb. Sept. Dec. Calif. Mass. No. vol. cf. ca. approx. Jr. Sr. o'clock a. b. z. w/o and/or 12a.m. 7pm".split()
    return ' '.join(rng.choice(['', '', '(', '"', '-']) + rng.choice(words) + rng.choice(['', '', ')', ',', '"', '.', '-a.']) for _ in range(rng.randint(3, 25)))


def repeated_characters(rng):
    def word():
        letter = rng.choice('aehmnosuzy!?.,-*_=:)09é😀✨')
        return rng.choice(['', 'w', 'so', 'A']) + letter * rng.randint(2, 9) + rng.choice(['', 'r', 'p', '!'])
    return ' '.join(rng.choice([word(), rng.choice(SENTENCES)]) for _ in range(rng.randint(2, 8)))


def repeated_words(rng):
    words = 'very no ha haha bla yes never 10 a don\'t well-known été да no. go, NO Very'.split()
    space = lambda: rng.choice([' ', ' ', ' ', '  ', '\n', '\t'])
    runs = lambda: space().join([rng.choice(words)] * rng.randint(2, 6)) + rng.choice(['', '.', '!', ' ', ', ', 'x', '\n'])
    return space().join(rng.choice([runs(), rng.choice(SENTENCES)]) for _ in range(rng.randint(2, 6)))


def hyphens_and_dashes(rng):
    words = 'well known state of the art 19th century e mail X ray co op Jean Luc twenty one U S 10 5a'.split()
    return ' '.join(rng.choice(['-', '–', '—', '--', '~', '/', ':', '=']).join(rng.sample(words, rng.randint(2, 4))) + rng.choice(['', '.', '-', ',']) for _ in range(rng.randint(3, 12)))


def curly(rng):
    text = ' '.join(rng.sample(SENTENCES, 3)).replace("'", '’').replace('...', '…')
    while '"' in text: text = text.replace('"', '“', 1).replace('"', '”', 1)
    return rng.choice(['‘{}’', '„{}“', '«{}»', '{}']).format(text)


def soup(rng):
    """Anything next to anything."""
    parts = EMOTICONS + EMOJI + URLS + QUANTITIES + PUNCTUATION * 3 + SPACES * 3 + 'a b I it the The THE McX iPhone xxmaj xxunk x y éa Ωm жа 中文 ab.Cd'.split()
    return ''.join(rng.choice(parts) + rng.choice(['', '', ' ']) for _ in range(rng.randint(1, 40)))


def cased(rng, text):
    return rng.choice([text, text, text.upper(), text.capitalize(), text.title()])


def mixed(rng, extras, count=(2, 6)):
    """Sentences with things from a list inside, before and behind them."""
    pieces = [rng.choice(SENTENCES) + rng.choice(['', ' ', ' ']) + rng.choice(extras) for _ in range(rng.randint(*count))]
    return rng.choice([' ', ' ', ', ', ' (', '\n']).join(pieces)


KINDS = {
    'review': lambda r: rng_join(r, ['<br /><br />', '<br />', ' ']),
    'news': lambda r: r.choice(HEADLINES) + ' ' + r.choice(['LONDON (Reuters) - ', 'NEW YORK -- ', 'AP - ', '']) + ' '.join(r.sample(HEADLINES + SENTENCES, 3)),
    'html': lambda r: r.choice(['', ' ', '\n']).join(r.sample(HTML, r.randint(1, 4))),
    'emoji': lambda r: mixed(r, EMOJI), 'emoticons': lambda r: mixed(r, EMOTICONS),
    'urls': lambda r: mixed(r, URLS), 'quantities': lambda r: mixed(r, QUANTITIES, (3, 9)),
    'languages': lambda r: rng_join(r, [' ', '\n', ' – '], LANGUAGES),
    'upper case': lambda r: mixed(r, ['OK', 'A', 'DON\'T', 'TV/DVD', 'ÉTÉ', 'X-MEN', '3D', 'U.N.']).upper(),
    'title case': lambda r: rng_join(r, [' ', ': ']).title(),
    'white space': lambda r: ''.join(word + r.choice(SPACES) for word in r.choice(SENTENCES + LANGUAGES).split()),
    'contractions': contractions, 'abbreviations': abbreviations, 'repeated characters': repeated_characters,
    'repeated words': repeated_words, 'hyphens': hyphens_and_dashes, 'curly quotes': curly, 'soup': soup,
}


def rng_join(rng, separators, sentences=SENTENCES):
    text = ''
    for sentence in rng.sample(sentences, rng.randint(2, 5)): text += (rng.choice(separators) if text else '') + sentence
    return text


def synthetic_documents(count, seed=2018):
    """`count` pairs of a kind and a text; the first are empty and nearly empty ones."""
    rng = random.Random(seed)
    documents = [('tiny', text) for text in ['', ' ', '\n', 'a', 'A', '.', 'Hi', '\u00a0', '😀', 'xxbos', "'", "n't"]]
    names = list(KINDS)
    while len(documents) < count:
        name = names[len(documents) % len(names)]
        documents.append((name, KINDS[name](rng)))
    return documents[:count]
