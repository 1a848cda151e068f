# What customers read, in Danish. Names of functions are proper names: nothing
# inflects them, and nothing in a sentence agrees with their gender or number.

## Dates, times, lengths of time

month =
    { $month ->
        [1] januar
        [2] februar
        [3] marts
        [4] april
        [5] maj
        [6] juni
        [7] juli
        [8] august
        [9] september
        [10] oktober
        [11] november
       *[12] december
    }
date = { $day }. { $month }
date_year = { $day }. { $month } { $year }
time = kl. { $hour }.{ $minute } UTC
time_exact = kl. { $hour }.{ $minute }.{ $second } UTC
moment = { $date } { $time }
seconds =
    { $count ->
        [one] { $count } sekund
       *[other] { $count } sekunder
    }
minutes =
    { $count ->
        [one] { $count } minut
       *[other] { $count } minutter
    }
hours =
    { $count ->
        [one] { $count } time
       *[other] { $count } timer
    }
days =
    { $count ->
        [one] { $count } dag
       *[other] { $count } dage
    }

## Functions, and how they are

# $names: all but the last, with commas between.
list = { $names } og { $last }
functions_named = { $names }
functions_counted =
    { $count ->
        [one] { $count } funktion
       *[other] { $count } funktioner
    }
# Part of a sentence that may begin with it.
clause =
    { $status ->
        [operational] { $functions } virker
        [under_maintenance] { $functions } er under vedligeholdelse
        [degraded_performance] { $functions } kører langsomt
        [partial_outage] { $functions } virker ikke for en del af brugerne
        [major_outage] { $functions } virker ikke
       *[unknown] vi ved ikke, om { $functions } virker
    }
# The same of what is over.
clause_over =
    { $status ->
        [degraded_performance] { $functions } kørte langsomt
        [partial_outage] { $functions } virkede ikke for en del af brugerne
        [major_outage] { $functions } virkede ikke
       *[unknown] { $functions } havde forstyrrelser
    }
# In a row beside the function's name.
status =
    { $status ->
        [operational] virker
        [under_maintenance] under vedligeholdelse
        [degraded_performance] kører langsomt
        [partial_outage] virker ikke for nogle
        [major_outage] virker ikke
       *[unknown] ukendt
    }
status_since = { $status } siden { $since }

## The answer at the top of the page, without a full stop

answer_stale = Siden { $since } har vi ikke vidst, hvordan det står til; vi arbejder på det
answer_nothing_watched = Ingen funktion overvåges endnu
# $state: clauses as above.
answer_harm = { $state } (siden { $since }); vi arbejder på det
answer_unknown = siden { $since } har vi ikke vidst, om { $functions } virker; vi kender ikke til andre fejl
answer_recovered = { $functions } virker igen; vi holder øje med det
answer_well = Alle funktioner virker
still_works = { $functions } virker stadig.
all_else_works = Alt andet virker.

## Incidents

incident_status =
    { $status ->
        [investigating] Undersøges
        [identified] Årsagen er fundet
        [monitoring] Overvåges
       *[resolved] Løst
    }
# A sentence after the state of the functions.
stands =
    { $status ->
        [investigating] Vi har set det og leder efter årsagen.
        [identified] Vi kender årsagen og arbejder på at løse problemet.
        [monitoring] Vi holder øje med, om det bliver ved med at virke.
       *[resolved] Forstyrrelsen er overstået.
    }
next_word = Næste besked senest { $at }.
# What a person adds. $group: the name of some customers; $language: of itself.
affected_all = Alle kunder er berørt.
affected_some = En del af kunderne er berørt.
affected_group = Berørt: { $group }.
data_safe = Ingen data er berørt.
data_affected = Data er berørt.
data_checked = Vi undersøger, om data er berørt.
corrects = Dette retter en tidligere besked.
original = Oprindelig tekst ({ $language }):
# What is done about it.
doing =
    { $kind ->
        [start_run] Vi genstarter et baggrundsjob.
        [end_run] Vi afslutter et baggrundsjob.
        [end_backend] Vi afslutter en handling i databasen, som andre venter på.
       *[recycle_instance] Vi genstarter en del af tjenesten.
    }
done =
    { $kind ->
        [start_run] Vi har genstartet et baggrundsjob.
        [end_run] Vi har afsluttet et baggrundsjob.
        [end_backend] Vi har afsluttet en handling i databasen, som andre ventede på.
       *[recycle_instance] Vi har genstartet en del af tjenesten.
    }
began = Siden { $from }
lasted = { $from } til { $to }, i alt { $span }
earlier_updates = Tidligere beskeder
earlier_updates_gone = Tidligere beskeder vises ikke længere.

## Ninety days

history_none = Ingen historik endnu
history_calm = Ingen forstyrrelser
history_disturbed = Forstyrret i alt { $span }
history_unknown = { $history }, ukendt i { $span }
strip = { $name }, { $from } til { $to }: { $history }
bad_days = Dage med forstyrrelser og den værste tilstand på hver af dem

## The page

site = Status for { $service }
as_of = Status { $at }.
as_of_old = Nedenfor står det, vi vidste på det tidspunkt.
heading_functions = Funktioner
heading_open = Hvad der sker lige nu
heading_past = Tidligere forstyrrelser
past_none = Siden { $since } er ingen forstyrrelse afsluttet.
home = Sådan er det nu
missing_title = Siden findes ikke
missing = Siden findes ikke
missing_why = Forstyrrelser, der er ældre end cirka de seneste to hundrede, vises ikke længere her.
languages = Sprog
# What a feed says of itself.
feed = Forstyrrelser og deres forløb, de nyeste først
# Links to feeds and files follow.
follow = Følg med i en feedlæser:
programs = Til programmer:
footer = Overvåges af Evenkeel. Det, der er ukendt, vises som ukendt. Alle tider er i UTC.

## A copy of the page that lies elsewhere

# $made, $until: times with their date.
copy_valid = Kopi fra { $made }, gyldig til { $until }; derefter vides det ikke, hvordan det står til.
copy_unknown = Siden { $until } vides det ikke, hvordan det står til
copy_not_renewed = Denne kopi af siden er ikke blevet fornyet. Om nu siger den intet.
copy_again = Se efter igen
