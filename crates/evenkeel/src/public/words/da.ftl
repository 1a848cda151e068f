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
answer_maintenance = { $state } (til { $until })
answer_recovered = { $functions } virker igen; vi holder øje med det
answer_well = Alle funktioner virker
still_works = { $functions } virker stadig.
all_else_works = Alt andet virker.
# A witness at another place says these while the operators are out of reach.
unreachable = Siden { $since } kan vi hverken nå tjenesten eller driftens systemer
unreachable_operators = Tjenesten svarer udefra; siden { $since } kan driftens systemer ikke nås
unreachable_unknown = Siden { $since } kan driftens systemer ikke nås; om tjenesten virker, vides ikke
witnessed = Det siger et vidne et andet sted, som ser på tjenesten udefra. Så snart driftens systemer kan nås igen, står deres egen side her igen.

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

## In the application

banner_you = Du er berørt.
banner_hide = Skjul denne besked

## On the telephone

# One current text for whoever calls, at most twenty seconds long: numbers in words, since not
# every voice reads figures well, and short sentences.
spoken_hour =
    { $hour ->
        [0] nul
        [1] et
        [2] to
        [3] tre
        [4] fire
        [5] fem
        [6] seks
        [7] syv
        [8] otte
        [9] ni
        [10] ti
        [11] elleve
        [12] tolv
        [13] tretten
        [14] fjorten
        [15] femten
        [16] seksten
        [17] sytten
        [18] atten
        [19] nitten
        [20] tyve
        [21] enogtyve
        [22] toogtyve
       *[23] treogtyve
    }
spoken_minute =
    { $minute ->
        [1] nul et
        [2] nul to
        [3] nul tre
        [4] nul fire
        [5] nul fem
        [6] nul seks
        [7] nul syv
        [8] nul otte
        [9] nul ni
        [10] ti
        [11] elleve
        [12] tolv
        [13] tretten
        [14] fjorten
        [15] femten
        [16] seksten
        [17] sytten
        [18] atten
        [19] nitten
        [20] tyve
        [21] enogtyve
        [22] toogtyve
        [23] treogtyve
        [24] fireogtyve
        [25] femogtyve
        [26] seksogtyve
        [27] syvogtyve
        [28] otteogtyve
        [29] niogtyve
        [30] tredive
        [31] enogtredive
        [32] toogtredive
        [33] treogtredive
        [34] fireogtredive
        [35] femogtredive
        [36] seksogtredive
        [37] syvogtredive
        [38] otteogtredive
        [39] niogtredive
        [40] fyrre
        [41] enogfyrre
        [42] toogfyrre
        [43] treogfyrre
        [44] fireogfyrre
        [45] femogfyrre
        [46] seksogfyrre
        [47] syvogfyrre
        [48] otteogfyrre
        [49] niogfyrre
        [50] halvtreds
        [51] enoghalvtreds
        [52] tooghalvtreds
        [53] treoghalvtreds
        [54] fireoghalvtreds
        [55] femoghalvtreds
        [56] seksoghalvtreds
        [57] syvoghalvtreds
        [58] otteoghalvtreds
       *[59] nioghalvtreds
    }
# Monday is 1.
spoken_day =
    { $day ->
        [1] mandag
        [2] tirsdag
        [3] onsdag
        [4] torsdag
        [5] fredag
        [6] lørdag
       *[7] søndag
    }
spoken_time = klokken { $hour } { $minute }
spoken_time_full = klokken { $hour }
# Where nobody said in which zone callers live.
spoken_zone = { $time } UTC
spoken_day_time = { $day } { $time }
# Functions whose names are too long or too many to be spoken.
spoken_functions =
    { $count ->
        [one] en funktion
       *[other] flere funktioner
    }
spoken_ours = Fejlen ligger hos os, og vi arbejder på den.
spoken_since = Vi har kendt til det siden { $at }.
spoken_since_long = Vi har kendt til det i mere end en uge.
spoken_next = Du hører mere senest { $at }.
spoken_unknown = Vi kan lige nu ikke se, om { $functions } virker.
spoken_blind = Vi kan lige nu ikke se, hvordan det står til. Vi arbejder på det.
spoken_recovered = { $functions } virker igen. Vi holder øje med det.
spoken_planned = Arbejdet er planlagt.

## Planned work

# A title; may begin with the names of functions.
maintenance_of = vedligeholdelse af { $functions }
maintenance_status =
    { $status ->
        [scheduled] Planlagt
        [in_progress] I gang
        [verifying] Kontrolleres
        [completed] Afsluttet
       *[cancelled] Aflyst
    }
# What is to be expected of it.
maintenance_impact =
    { $impact ->
        [outage] I dette tidsrum virker { $functions } muligvis ikke.
        [degraded] I dette tidsrum kører { $functions } muligvis langsomt.
        [reduced_redundancy] Vi forventer, at ingen mærker det; { $functions } kan tåle færre fejl i dette tidsrum.
       *[no_impact] Vi forventer, at ingen mærker det ({ $functions }).
    }
maintenance_announced = Begynder { $from } og slutter { $to }.
maintenance_reminder = Husk: Begynder { $from } og slutter { $to }.
maintenance_moved = Nyt tidspunkt: Begynder { $from } og slutter { $to }.
maintenance_began = Arbejdet er begyndt. Det forventes færdigt senest { $to }.
maintenance_extended = Arbejdet tager længere tid end planlagt. Det forventes færdigt senest { $to }.
maintenance_overdue = Arbejdet skulle være færdigt senest { $to } og er det ikke endnu. Vi er i gang.
maintenance_said =
    { $news ->
        [verifying] Arbejdet er udført. Vi kontrollerer, at alt er i orden.
        [completed] Arbejdet er afsluttet.
       *[cancelled] Arbejdet bliver ikke udført.
    }
heading_maintenance = Planlagt arbejde
maintenance_none = Intet arbejde er planlagt.
maintenance_past = Tidligere arbejde
maintenance_all = Alt planlagt arbejde
maintenance_title = Kalender over planlagt arbejde
# A link to a calendar file follows.
maintenance_calendar = Til din kalender:

## Post-mortems

# $title: of the incident; $link: an address.
postmortem = Opfølgning
postmortem_of = Opfølgning: { $title }
postmortem_read = Hvad der skete, hvorfor, og hvad vi gør ved det
postmortem_published = Vi har offentliggjort, hvad der skete, hvorfor, og hvad vi gør ved det: { $link }
postmortem_source = Tider og tal stammer fra de optegnelser, der blev ført undervejs.
heading_figures = I tal
hurt = Kunder var berørt fra { $from } til { $to }: { $span }.
first_sign = Første tegn: { $at }, før nogen var berørt.
found_after = Opdaget: { $at }, { $span } efter begyndelsen.
first_word = Første offentlige besked: { $at }, { $span } efter begyndelsen.
first_word_none = Fejlen var ovre, før noget blev meldt ud.
came_back =
    { $count ->
        [one] Fejlen vendte tilbage { $count } gang, før den var ovre.
       *[other] Fejlen vendte tilbage { $count } gange, før den var ovre.
    }
failed_requests =
    { $count ->
        [one] Mindst { $count } forespørgsel mislykkedes.
       *[other] Mindst { $count } forespørgsler mislykkedes.
    }
failed_checks =
    { $count ->
        [one] Vores egen test af disse funktioner mislykkedes mindst { $count } gang.
       *[other] Vores egne tests af disse funktioner mislykkedes mindst { $count } gange.
    }
affected_all_then = Alle kunder var berørt.
affected_some_then = En del af kunderne var berørt.
affected_group_then = Berørt var: { $group }.
data_safe_then = Ingen data var berørt.
data_affected_then = Data var berørt.
data_checked_then = Ved offentliggørelsen stod det endnu ikke fast, om data var berørt.
heading_timeline = Forløb
moment_sign = Det første tegn
moment_found = Det blev opdaget, at kunder var berørt.
moment_told = Vi informerede kunderne: { $word }.
moment_corrected = Vi rettede en tidligere besked.
moment_recovered = Ingen var længere berørt.
moment_over = Fejlen var ovre.
moment_back = Fejlen vendte tilbage.
moments_left_out =
    { $count ->
        [one] Yderligere { $count } tidspunkt er ikke nævnt.
       *[other] Yderligere { $count } tidspunkter er ikke nævnt.
    }
heading_summary = Hvad der skete
heading_cause = Hvorfor det skete
heading_factors = Hvad der gjorde det værre
heading_went_well = Hvad der gik godt
heading_measures = Hvad vi gør ved det
measure_open = Skal være gjort senest { $due }
measure_late = Forsinket: skulle være gjort senest { $due }
measure_done = Gjort { $at }
measure_dropped = Opgivet { $at }
measure_moved = først planlagt til { $from }
edition_first = Offentliggjort { $at }.
edition_corrected = Rettet { $at }.

## Ninety days

history_none = Ingen historik endnu
history_calm = Ingen forstyrrelser
history_disturbed = Forstyrret i alt { $span }
history_unknown = { $history }, ukendt i { $span }
history_maintained = { $history }, under vedligeholdelse i { $span }
strip = { $name }, { $from } til { $to }: { $history }
bad_days = Dage med forstyrrelser og den værste tilstand på hver af dem

## Subscriptions

subscribe = Få besked på mail
subscribe_about = Vi skriver, når noget er galt, når det er ovre, og om planlagt arbejde. Ikke andet.
mail_address = Mailadresse
functions_wanted = Om disse funktioner
maintenance_only = Kun om planlagt arbejde
mail_language = Sprog i mails
subscribe_send = Send mig et link til bekræftelse
subscribe_sent = Se i din indbakke
subscribe_sent_how = Hvis adressen kan modtage mail, er et link på vej. Der sendes ikke andet, før du har bekræftet der. En adresse får én sådan mail i timen.
address_wrong = Vi kan ikke skrive til denne adresse.
functions_none = Vælg mindst én funktion.
subscribe_busy = Der er for mange, der spørger lige nu. Prøv igen om en time.
subscription = Dit abonnement
subscription_of = Til { $address }
subscribe_confirm = Bekræft
subscribe_confirmed = Fra nu af skriver vi til dig.
subscription_paused = Vores mails kunne ikke leveres, så vi holdt op. Bekræft, så begynder de igen.
subscription_save = Gem
subscription_saved = Det er gemt.
unsubscribe = Afmeld
unsubscribe_how = Ikke flere mails; din adresse slettes.
unsubscribed = Du får ikke flere mails. Din adresse er slettet.
link_gone = Dette link fører ikke til et abonnement
link_gone_why = Abonnementet er afsluttet eller blev aldrig bekræftet. Du kan tilmelde dig igen.
letter_confirm = Bekræft venligst: besked om { $service }
letter_confirm_why = Vi har fået denne adresse til besked om { $service }. Bekræft den her:
letter_confirm_else = Hvis du ikke har bedt om det, skal du ikke gøre noget. Der sendes ikke andet, og adressen slettes efter tre dage.
letter_known = Dit abonnement på besked om { $service }
letter_known_why = Du får besked om { $service } på denne adresse. Her ændrer eller afslutter du det:
letter_correction = Rettelse: { $title }
letter_page = Det hele, og hvordan det står til nu:
letter_why = Du får denne mail, fordi du har bedt om besked om { $service }.
letter_end = Ændr eller afmeld:

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
# Is it me? What we see, and what the visitor's own browser found.
me_heading = Er det mig?
me_ours = Det er os: du behøver ikke lede efter en fejl hos dig selv.
me_over = Det var os, og det virker igen: gør det ikke det hos dig, så genindlæs siden.
me_well = Vi ser ingen fejl: virker noget ikke hos dig, så genindlæs siden og log ind igen, eller prøv en anden browser eller et andet netværk.
me_unknown = Om det er os, kan vi lige nu ikke se.
me_reached = Vi ser ingen fejl, og din browser kan nå tjenesten: virker noget alligevel ikke, så genindlæs siden og log ind igen.
me_wrong = Tjenesten har netop svaret din browser med en fejl, som vi ikke ser udefra: prøv igen om et minut, og sig til, hvis det bliver ved.
me_silent = Vi ser ingen fejl, men tjenesten svarer ikke din browser: tjek din forbindelse, VPN og firewall, eller prøv et andet netværk.
me_blocked = Vi ser ingen fejl, men din browser kan ikke nå tjenesten: tjek VPN, firewall og udvidelser, der blokerer, eller prøv et andet netværk.
me_offline = Din enhed er offline: tjek forbindelsen; siden ser selv efter igen.
me_unknown_reached = Om det er os, kan vi lige nu ikke se, men din browser kan nå tjenesten.
me_unknown_unreached = Om det er os, kan vi lige nu ikke se; din browser får heller ikke et godt svar fra tjenesten.
# Legal links.
imprint = Om virksomheden
privacy = Privatlivspolitik
# Below an incident.
useful = Var det nyttigt?
useful_yes = Ja
useful_no = Nej
useful_thanks = Tak for dit svar.
# What a feed says of itself.
feed = Forstyrrelser og deres forløb, de nyeste først
# Links to feeds and files follow.
follow = Følg med i en feedlæser:
programs = Til programmer:
# A link to the key follows.
signed = Hver kopi er underskrevet:
footer = Overvåges af Evenkeel. Det, der er ukendt, vises som ukendt. Alle tider er i UTC.

## A copy of the page that lies elsewhere

# $made, $until: times with their date.
copy_valid = Kopi fra { $made }, gyldig til { $until }; derefter vides det ikke, hvordan det står til.
copy_unknown = Siden { $until } vides det ikke, hvordan det står til
copy_not_renewed = Denne kopi af siden er ikke blevet fornyet. Om nu siger den intet.
copy_again = Se efter igen
