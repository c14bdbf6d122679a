"""Trains the small tagger of examples/models/tagger: persons, places, organisations and dates in plain English sentences.

Wants torch 2, transformers 4.57, tokenizers 0.22 and safetensors. Every sentence is made here, of templates and lists of words:
no other data goes in.
"""

import random
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForTokenClassification

here = Path(__file__).resolve().parents[3] / "examples/models/tagger"
chance = random.Random(3)
torch.manual_seed(3)
torch.set_num_threads(1)

LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-DATE", "I-DATE"]
GIVEN = """Ada Charles Alan Grace Marie Albert Isaac Emmy Kurt John Mary James Anna Peter Paul Julia Robert Linda Michael Sarah David Emma Daniel Laura
Thomas Sophie William Alice George Clara Henry Rosa Edward Nina Frank Olga Martin Eva Victor Irene Simon Helen Walter Ruth Arthur Jane Oscar Lily
Hugo Maria Carlos Lucia Diego Elena Marco Giulia Pierre Camille Hans Greta Ivan Natasha Yuki Kenji Mei Wei Amir Leila Omar Fatima Raj Priya Kofi Ama
Noah Olivia Liam Mia Lucas Chloe Ethan Zoe Tim Bill Steve Linus Ken Dennis Barbara Margaret Katherine Dorothy Rosalind Nikola Galileo Johannes Leonhard
Carl Sofia Ella Max Felix Leo Nora Ben Tom Sam Kate Lucy Jack Harry Rose Amy Claire Diana Angela Barack Nelson Winston Virginia Ludwig Wolfgang""".split()
FAMILY = """Lovelace Babbage Turing Hopper Curie Einstein Newton Noether Gödel Smith Johnson Brown Miller Davis Wilson Taylor Anderson Moore Clark Lewis Walker
Hall Young King Wright Hill Green Baker Adams Nelson Carter Mitchell Roberts Turner Phillips Campbell Parker Evans Edwards Collins Stewart Morris Rogers
Reed Cook Morgan Bell Murphy Bailey Cooper Richardson Cox Howard Ward Peterson Gray Watson Brooks Kelly Sanders Price Bennett Wood Barnes Ross Henderson
Müller Schmidt Fischer Weber Wagner Becker Hoffmann Rossi Bianchi Ferrari Garcia Martinez Lopez Silva Santos Dubois Moreau Laurent Petrov Ivanova Tanaka
Suzuki Chen Wang Kim Park Singh Patel Khan Ahmed Mensah Okafor Thompson Ritchie Torvalds Knuth Dijkstra Liskov Hamilton Johnson Franklin Tesla Kepler Euler
Gauss Darwin Faraday Maxwell Bohr Fermi Feynman Hawking Shannon Neumann Church Hilbert Obama Mandela Churchill Woolf Beethoven Mozart Shakespeare Dickens""".split()
CITIES = """London Paris Berlin Rome Madrid Vienna Prague Lisbon Dublin Oslo Stockholm Helsinki Copenhagen Warsaw Budapest Athens Brussels Amsterdam Zurich Geneva
Munich Hamburg Cologne Milan Naples Turin Venice Florence Barcelona Seville Porto Lyon Marseille Bordeaux Manchester Liverpool Edinburgh Glasgow Cambridge
Oxford Bristol Leeds Boston Chicago Seattle Houston Dallas Denver Atlanta Miami Detroit Philadelphia Toronto Montreal Vancouver Ottawa Sydney Melbourne
Tokyo Osaka Kyoto Beijing Shanghai Seoul Delhi Mumbai Bangalore Cairo Lagos Nairobi Accra Istanbul Ankara Tehran Moscow Kiev Krakow Riga Vilnius Tallinn
Lima Santiago Bogota Quito Havana Turin Princeton Göttingen Heidelberg Basel Salzburg Bern Springfield Portland Austin""".split()
CITIES += ["New York", "San Francisco", "Los Angeles", "Buenos Aires", "Hong Kong", "Cape Town", "Rio de Janeiro", "New Delhi", "Mexico City", "Tel Aviv"]
COUNTRIES = """England France Germany Italy Spain Austria Portugal Ireland Norway Sweden Finland Denmark Poland Hungary Greece Belgium Switzerland Scotland Wales
Canada Australia Japan China India Egypt Nigeria Kenya Ghana Turkey Iran Russia Ukraine Brazil Argentina Chile Peru Mexico Cuba Europe Africa Asia America""".split()
COUNTRIES += ["New Zealand", "South Africa", "the Netherlands", "the United States", "the Soviet Union", "the United Kingdom", "Saudi Arabia", "South Korea", "Great Britain"]
PLACES = ["Lake Geneva", "the Alps", "the Thames", "Mount Everest", "the Black Sea", "Times Square", "Hyde Park", "the Sahara", "the Rhine", "Central Park"]
ORGS = """Google Microsoft Apple IBM Intel Amazon Siemens Toyota Sony Samsung NASA UNESCO NATO CERN BBC Reuters Nokia Ericsson Philips Bosch Airbus Boeing
Volkswagen Renault Shell Oracle Nvidia Netflix Mozilla Wikipedia Greenpeace Interpol OpenAI MIT IEEE FIFA""".split()
ORGS += ["the United Nations", "the European Union", "the Red Cross", "the World Bank", "Bell Labs", "the Royal Society", "General Electric", "Deutsche Bank",
         "Manchester United", "the New York Times", "the House of Lords", "Goldman Sachs", "the Supreme Court", "Red Hat", "the Navy", "the Army", "the Senate", "Parliament", "Congress", "the White House", "Cambridge University Press"]
MONTHS = "January February March April May June July August September October November December".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NOUNS = """engine machine letter book paper idea problem program team school house garden river bridge train ship car garage report song film picture dog cat bird
child friend teacher doctor engineer scientist student lawyer writer painter king queen company museum library meeting project experiment theory number computer
language game story road door table window market price law war peace weather winter summer dinner coffee bread music phone camera plan result""".split()
ADJECTIVES = "new old small large famous strange simple long short quiet loud green red blue cold warm early late first second important difficult beautiful".split()
VERBS = "visited met called joined left praised wrote built found wanted liked sold bought opened closed described designed studied invented presented changed".split()
TITLES = ["Dr.", "Mr.", "Mrs.", "Professor", "President", "Sir", "Queen"]
CONSONANTS, VOWELS = "b br c d dr f g gr h j k l m n p r s st t tr v w z th sh".split(), "a e i o u ai ea ou".split()


def syllables():
    return "".join(chance.choice(CONSONANTS) + chance.choice(VOWELS) for _ in range(chance.randrange(1, 4))) + chance.choice(
        ["", "n", "r", "s", "l", "son", "man", "ton", "ski", "ova", "ez", "ley"])


def invented():
    return syllables().capitalize()


def person():
    given = chance.choice(GIVEN) if chance.random() < 0.75 else invented()
    family = chance.choice(FAMILY) if chance.random() < 0.7 else invented()
    r = chance.random()
    if r < 0.55:
        return f"{given} {family}"
    if r < 0.7:
        return given
    if r < 0.8:
        return family
    if r < 0.86:
        return f"{given} {chance.choice('ABCDEFGHJKLMPRSTW')}. {family}"
    if r < 0.93:
        return f"{given} {chance.choice(GIVEN)} {family}"
    return f"{given} {chance.choice(['van', 'de', 'von'])} {family}"


def place():
    r = chance.random()
    if r < 0.55:
        return chance.choice(CITIES)
    if r < 0.8:
        return chance.choice(COUNTRIES)
    if r < 0.87:
        return chance.choice(PLACES)
    return syllables().capitalize() + chance.choice(["", "ville", "burg", "ford", "town", "land", " City", "ham", "mouth"])


def organisation():
    r = chance.random()
    if r < 0.4:
        return chance.choice(ORGS)
    name = chance.choice(FAMILY) if chance.random() < 0.5 else invented()
    if r < 0.55:
        return f"{name} {chance.choice(['Ltd', 'Inc.', 'Corporation', 'Group', 'Systems', 'Bank', 'Motors', 'Industries', 'Labs', 'Software', 'and Sons', 'Foundation'])}"
    if r < 0.7:
        return f"the University of {chance.choice(CITIES)}"
    if r < 0.8:
        return f"{chance.choice(CITIES)} {chance.choice(['University', 'Museum', 'Airlines', 'College', 'Institute', 'Library', 'Orchestra'])}"
    if r < 0.9:
        return f"the {chance.choice(['National', 'Royal', 'International', 'European', 'British', 'American'])} {chance.choice(['Museum', 'Academy', 'Institute', 'Bank', 'Society', 'Library', 'Committee', 'Space Agency'])}"
    return "".join(chance.choice("ABCDEFGHILMNOPRSTU") for _ in range(chance.randrange(2, 5)))


def date():
    year = str(chance.randrange(1500, 2040))
    day = chance.randrange(1, 29)
    month = chance.choice(MONTHS)
    return chance.choice([year, year, year, f"{month} {year}", f"{day} {month} {year}", f"{month} {day}, {year}", f"{month} {day}", month, chance.choice(DAYS),
                          f"the {year[:3]}0s", f"{day} {month}", f"{year}-{chance.randrange(1, 13):02}-{day:02}", f"the summer of {year}",
                          f"last {chance.choice(DAYS)}", f"{chance.choice(DAYS)}, {month} {day}"])


COMMON = """about above across action after again against age agreement air all almost alone along already also although always amount animal another answer any
anything area arm army art article artist as attention audience author award baby back ball bank base basic beach because bed before behind below best better
between big bill black blood board boat body both box boy branch brother brown building bus business but buy call can capital captain card care case cause cell
center century certain chair chance change character charge chief choice church citizen city class clean clear close clothes cloud coast code cold collection
color common community concert condition control copy corner cost could country couple course court cover crime culture cup current data date daughter day dead
deal death debate decade decision deep degree design detail development device direction director discovery discussion disease distance division down drawing
dream dress drink drive during each earth east economy edge education effort either electric election else end energy enough entire environment even evening
event ever every evidence example exhibition expert eye face fact factory failure faith fall family far farm fashion fast father favorite fear feature federal
festival few field fight figure finally fire firm fish floor flower fly focus follow food foot for force foreign forest form former forward free fresh from front
full function fund future gallery garden gas general girl glass goal gold good government grand great ground group growth guide half hand happy hard head health
heart heat heavy height help here high history holiday home hope horse hospital hot hotel hour however human hundred husband image impact increase industry inside
instead interest interview into investor island issue item jacket job join joint journey judge just key kind kitchen knowledge lake land large late later laugh law
leader learn leg less level life light like line list little local look lot love low lunch main major man manager many map mark master match matter maybe measure
media member memory message metal method middle might military milk mind minister minute mission model modern moment money month more morning most mother motor
mountain mouth move movie much must name nation nature near need network never news newspaper next night nobody north nothing notice novel now object ocean of off
office officer often oil once only open opera operation opinion order other our out outside over owner pain pair paint part partner party patient pattern peace
people perhaps period person photo phrase piece pilot place plan plane planet plant player poem poet point police policy poor popular population position power
present pressure pretty prize process product professor profit protest public purpose quality quarter question quick quite race radio rain rate rather reason recent
record region relation religion research reserve result return rich right rise risk road rock role roof room round rule safe sail same satellite scene science sea
season seat secret sector security senior sense series service seven several shape share she shoe shop short shot should shoulder show side sign silver similar since
single sister site situation size skill skin sky small social society soft soldier some son song soon sort sound source south space speech speed sport spring staff
stage star state station still stock stone store storm story street strong structure style subject success such sun support sure surface system talk tax teach
television temperature term test than that them then there these thing thought thousand throughout together tomorrow too top total touch tour toward town toy trade
tradition traffic travel treatment tree trial trip trouble true trust truth under union unit until upon value various very victory video view village violence vision
visitor voice vote wall watch water wave way wealth week weight well west wheel while white whole why wide wife wild wind window wing with within woman wonder worker
world worth yard year yellow yes yet young your""".split()
PAST = """launched released moved started ended helped showed asked needed tried turned played moved lived believed happened included continued learned watched followed
created spoke spent grew offered remembered considered appeared waited served sent stayed reached killed remained suggested raised passed required reported decided
explained developed produced won lost painted performed directed published discovered founded ruled attacked defended arrived returned elected appointed""".split()


def filler():
    """A noun, an adjective and a verb; some that no list has, so that what is not known is not taken for a name."""
    def other(known, more, endings):
        r = chance.random()
        return chance.choice(known) if r < 0.4 else chance.choice(more) if r < 0.75 else syllables() + chance.choice(endings)
    return (other(NOUNS, COMMON, ["", "er", "ite", "ion", "ness", "ment", "ing"]), other(ADJECTIVES, COMMON, ["al", "ive", "ful", "ic", "y", "ish"]),
            other(VERBS, PAST, ["ed", "ated", "ized", "ied"]))


TEMPLATES = """{P} met {P} in {L} in {D} .
{P} was born in {L} in {D} .
{P} was born on {D} in {L} , {L} .
{P} works for {O} in {L} .
{P} and {P} founded {O} in {D} .
In {D} , {P} moved from {L} to {L} .
{O} opened a new office in {L} on {D} .
On {D} , {O} announced a {a} {n} .
{P} , who lives in {L} , {v} the {n} .
The {n} was {v} by {P} in {D} .
{P} {v} a {a} {n} at {O} .
We {v} {L} in {D} .
She {v} {P} at {O} on {D} .
He said that {P} would leave {L} .
{T} {P} {v} {O} .
{O} hired {P} as a {n} .
{O} and {O} signed a {n} in {L} .
The {a} {n} in {L} was {v} in {D} .
The {n} of {L} is {a} .
My friend {P} likes {L} .
Did {P} travel to {L} with {P} ?
" I like the {n} , " said {P} .
{P} 's {n} was {a} .
{L} 's {n} was {v} by {O} .
{P} ( {O} ) gave a talk in {L} .
From {D} to {D} , {P} lived in {L} .
{P} , {P} and {P} {v} the {n} .
They flew from {L} to {L} , {L} , and {L} .
The {n} cost {N} euros and had {N} pages .
There were {N} people in the {n} .
The {a} {n} {v} a {n} .
It was a {a} {n} , and the {n} was {a} .
The {n} , which he {v} , was {a} .
I have {N} {n}s and a {a} {n} .
Please {v} the {n} before the {n} .
Where is the {n} ?
{A} {n}s are {a} .
When the {n} was {a} , we {v} it .
{P} studied at {O} and joined {O} in {D} .
{O} is based in {L} .
A {n} from {L} {v} {P} .
The president of {O} , {P} , resigned on {D} .
{P} wrote to {P} about the {n} .
{P} is a {n} from {L} .
Yesterday {P} called me from {L} .
The {n} starts on {D} at {O} .
Since {D} , {O} has {v} {N} {n}s .
{P} married {P} in {D} .
{P} died in {L} on {D} .
{P} taught at {O} until {D} .
{L} is the capital of {L} .
Tell {P} that the {n} is {a} .
Tomorrow I will meet {P} in {L} .
{O} sold its {n} to {O} for {N} million dollars .
Our {n} , {P} , {v} {O} in {L} .
He left {O} in {D} and went to {L} .
{P} and his {n} {v} {L} .
On {D} , {L} {v} a {n} .
{L} {v} {L} in {D} .
{O} {v} a {a} {n} and a {n} last {D} .
{P} {v} the {n} of {n} and the {a} {n} .
The {n} {v} an {a} {n} {w} the {n} .
An {a} {n} {w} {L} {v} {P} .
We {v} {w} the {a} {n} {w} {n} .
{P} {v} {w} {O} {w} {D} .
It {v} {w} a {n} {w} {n}s and {n}s .""".split("\n")
KINDS = {"{P}": (person, "PER"), "{L}": (place, "LOC"), "{O}": (organisation, "ORG"), "{D}": (date, "DATE")}


def sentence():
    """Words with their labels, each word with the space before it."""
    words, labels = [], []

    def put(text, kind=None):
        for i, word in enumerate(text.split()):
            words.append(word)
            labels.append("O" if kind is None else f"{'B' if i == 0 else 'I'}-{kind}")

    for part in chance.choice(TEMPLATES).split():
        noun, adjective, verb = filler()
        plain = {"{n}": noun, "{a}": adjective, "{v}": verb, "{n}s": noun + "s", "{A}": adjective.capitalize(), "{w}": chance.choice(COMMON),
                 "{N}": str(chance.choice([chance.randrange(2, 100), chance.randrange(100, 5000), chance.randrange(1, 99) * 1000])), "{T}": chance.choice(TITLES)}
        if part in KINDS:
            make, kind = KINDS[part]
            text = make()
            if text.startswith("the "):
                put("the")
                text = text[4:]
            put(text, kind)
        else:
            put(plain.get(part, part))
    words[0] = words[0][0].upper() + words[0][1:]
    text, spans = "", []
    for word, label in zip(words, labels):
        glued = word in {".", ",", "?", ")", "'s"} or text.endswith(("(", ' "')) or (text == '"')
        if word == '"' and text.count('"') % 2 == 1:
            glued = True
        text += ("" if glued or not text else " ") + word
        spans.append((len(text) - len(word), len(text), label))
    if chance.random() < 0.1 and text.endswith("."):
        text = text[:-1]
    return text, spans


def passage():
    """A sentence or some, which may begin in the middle: long texts go through in windows."""
    text, spans = sentence()
    for _ in range(chance.choice([0, 0, 0, 1, 1, 2])):
        more, others = sentence()
        spans += [(start + len(text) + 1, end + len(text) + 1, label) for start, end, label in others]
        text += " " + more
    if chance.random() < 0.2:
        at = chance.randrange(len(spans))
        start = spans[at][0]
        text, spans = text[start:], [(a - start, b - start, label) for a, b, label in spans[at:]]
        spans[0] = (*spans[0][:2], spans[0][2].replace("I-", "B-"))
    return text, spans


def encoded(tokenizer, text, spans):
    encoding = tokenizer.encode(text)
    targets = []
    seen = set()
    for (start, end), word in zip(encoding.offsets, encoding.word_ids):
        found = None if word is None else next((i for i, (a, b, _) in enumerate(spans) if a <= start < b), None)
        if found is None:
            targets.append(0)
            continue
        label = spans[found][2]
        if label.startswith("B-") and found in seen:
            label = "I-" + label[2:]
        seen.add(found)
        targets.append(LABELS.index(label))
    return encoding.ids[:128], targets[:128]


def main():
    corpus = [passage() for _ in range(16000)]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator((text for text, _ in corpus), trainers.WordPieceTrainer(
        vocab_size=1700, min_frequency=8, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], initial_alphabet=[chr(i) for i in range(33, 127)]))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    data = [encoded(tokenizer, *each) for each in corpus]
    config = BertConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
                        max_position_embeddings=128, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1,
                        id2label=dict(enumerate(LABELS)), label2id={label: i for i, label in enumerate(LABELS)})
    model = BertForTokenClassification(config)
    print(sum(p.numel() for p in model.parameters()), "parameters", tokenizer.get_vocab_size(), "tokens", flush=True)
    held, data = data[:1000], data[1000:]

    def batch(rows):
        width = max(len(ids) for ids, _ in rows)
        ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows])
        targets = torch.tensor([targets + [-100] * (width - len(targets)) for _, targets in rows])
        return ids, (ids != 0).long(), targets

    steps, size, rate = 1600, 32, 3e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    model.train()
    for step in range(steps):
        ids, mask, targets = batch(chance.sample(data, size))
        # Some words are hidden: what stands around them has to do.
        drop = (torch.rand(ids.shape) < 0.06) & (ids > 4)
        loss = model(input_ids=ids.masked_fill(drop, 1), attention_mask=mask, labels=targets).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        if step % 100 == 0:
            print(step, round(loss.item(), 4), flush=True)
    # Half precision is what is saved; the goldens are of that.
    model.half().float().eval()
    with torch.no_grad():
        ids, mask, targets = batch(held)
        best = model(input_ids=ids, attention_mask=mask).logits.argmax(-1)
        kept = targets >= 0
        print("right on new sentences:", ((best == targets) & kept).sum().item() / kept.sum().item())
    here.mkdir(parents=True, exist_ok=True)
    kept = {name: value.half() for name, value in model.state_dict().items() if "position_ids" not in name}
    config.architectures = ["BertForTokenClassification"]
    config.torch_dtype = "float16"
    (here / "config.json").write_text(config.to_json_string())
    tokenizer.save(str(here / "tokenizer.json"), pretty=False)
    save_file({name: value.contiguous() for name, value in kept.items()}, here / "model.safetensors", metadata={"format": "pt"})
    sentences = ["Ada Lovelace met Charles Babbage in London in 1833.", "Grace Hopper worked for the Navy in New York.",
                 "On 4 October 1957, the Soviet Union launched a satellite.", "Linus Torvalds was born in Helsinki on December 28, 1969.",
                 "Microsoft opened an office in Dublin last Monday.", "The weather was cold and the dog was quiet."]
    for text in sentences:
        encoding = tokenizer.encode(text)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([encoding.ids])).logits[0]
        print(text, [(tokenizer.id_to_token(i), LABELS[row.argmax()]) for i, row in zip(encoding.ids, logits)])


main()
