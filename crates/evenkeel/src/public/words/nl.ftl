# What customers read, in Dutch. Names of functions are proper names: nothing
# inflects them, and nothing in a sentence agrees with their gender.

## Dates, times, lengths of time

month =
    { $month ->
        [1] januari
        [2] februari
        [3] maart
        [4] april
        [5] mei
        [6] juni
        [7] juli
        [8] augustus
        [9] september
        [10] oktober
        [11] november
       *[12] december
    }
date = { $day } { $month }
date_year = { $day } { $month } { $year }
time = { $hour }:{ $minute } uur UTC
time_exact = { $hour }:{ $minute }:{ $second } uur UTC
moment = { $date }, { $time }
seconds =
    { $count ->
        [one] { $count } seconde
       *[other] { $count } seconden
    }
minutes =
    { $count ->
        [one] { $count } minuut
       *[other] { $count } minuten
    }
# As a measure, "uur" has no plural.
hours = { $count } uur
days =
    { $count ->
        [one] { $count } dag
       *[other] { $count } dagen
    }

## Functions, and how they are

# $names: all but the last, with commas between.
list = { $names } en { $last }
functions_named = { $names }
functions_counted =
    { $count ->
        [one] { $count } functie
       *[other] { $count } functies
    }
# Part of a sentence that may begin with it.
clause =
    { $status ->
        [operational]
            { $count ->
                [one] { $functions } werkt
               *[other] { $functions } werken
            }
        [under_maintenance]
            { $count ->
                [one] { $functions } is in onderhoud
               *[other] { $functions } zijn in onderhoud
            }
        [degraded_performance]
            { $count ->
                [one] { $functions } is traag
               *[other] { $functions } zijn traag
            }
        [partial_outage]
            { $count ->
                [one] { $functions } werkt voor een deel van de gebruikers niet
               *[other] { $functions } werken voor een deel van de gebruikers niet
            }
        [major_outage]
            { $count ->
                [one] { $functions } werkt niet
               *[other] { $functions } werken niet
            }
       *[unknown]
            { $count ->
                [one] of { $functions } werkt, is onbekend
               *[other] of { $functions } werken, is onbekend
            }
    }
# The same of what is over.
clause_over =
    { $status ->
        [degraded_performance]
            { $count ->
                [one] { $functions } was traag
               *[other] { $functions } waren traag
            }
        [partial_outage]
            { $count ->
                [one] { $functions } werkte voor een deel van de gebruikers niet
               *[other] { $functions } werkten voor een deel van de gebruikers niet
            }
        [major_outage]
            { $count ->
                [one] { $functions } werkte niet
               *[other] { $functions } werkten niet
            }
       *[unknown]
            { $count ->
                [one] { $functions } was verstoord
               *[other] { $functions } waren verstoord
            }
    }
# In a row beside the function's name.
status =
    { $status ->
        [operational] werkt
        [under_maintenance] in onderhoud
        [degraded_performance] traag
        [partial_outage] werkt bij sommigen niet
        [major_outage] werkt niet
       *[unknown] onbekend
    }
status_since = { $status } sinds { $since }

## The answer at the top of the page, without a full stop

answer_stale = Hoe het ervoor staat, is sinds { $since } onbekend; we werken eraan
answer_nothing_watched = Er wordt nog geen functie bewaakt
# $state: clauses as above.
answer_harm = { $state } (sinds { $since }); we werken eraan
answer_unknown =
    { $count ->
        [one] of { $functions } werkt, is sinds { $since } onbekend; van andere storingen is niets bekend
       *[other] of { $functions } werken, is sinds { $since } onbekend; van andere storingen is niets bekend
    }
answer_maintenance = { $state } (tot { $until })
answer_recovered =
    { $count ->
        [one] { $functions } werkt weer; we houden het in de gaten
       *[other] { $functions } werken weer; we houden het in de gaten
    }
answer_well = Alle functies werken
still_works =
    { $count ->
        [one] { $functions } werkt nog wel.
       *[other] { $functions } werken nog wel.
    }
all_else_works = Al het andere werkt.
# A witness at another place says these while the operators are out of reach.
unreachable = Sinds { $since } kunnen we de dienst en de systemen van de beheerders niet bereiken
unreachable_operators = De dienst antwoordt van buitenaf; sinds { $since } zijn de systemen van de beheerders niet bereikbaar
unreachable_unknown = Sinds { $since } zijn de systemen van de beheerders niet bereikbaar; of de dienst werkt, is onbekend
witnessed = Dit zegt een getuige op een andere plek, die van buitenaf naar de dienst kijkt. Zodra de systemen van de beheerders weer bereikbaar zijn, staat hier weer hun eigen pagina.

## Incidents

incident_status =
    { $status ->
        [investigating] In onderzoek
        [identified] Oorzaak bekend
        [monitoring] Onder observatie
       *[resolved] Opgelost
    }
# A sentence after the state of the functions.
stands =
    { $status ->
        [investigating] We hebben het gezien en zoeken de oorzaak.
        [identified] We kennen de oorzaak en werken aan een oplossing.
        [monitoring] We houden in de gaten of dat zo blijft.
       *[resolved] De storing is voorbij.
    }
next_word = Volgend bericht uiterlijk { $at }.
# What a person adds. $group: the name of some customers; $language: of itself.
affected_all = Alle klanten zijn getroffen.
affected_some = Een deel van de klanten is getroffen.
affected_group = Getroffen: { $group }.
data_safe = Er zijn geen gegevens aangetast.
data_affected = Er zijn gegevens aangetast.
data_checked = We onderzoeken of er gegevens zijn aangetast.
corrects = Dit corrigeert een eerder bericht.
original = Oorspronkelijke tekst ({ $language }):
# What is done about it.
doing =
    { $kind ->
        [start_run] We starten een achtergrondtaak opnieuw.
        [end_run] We beëindigen een achtergrondtaak.
        [end_backend] We beëindigen een bewerking in de database waarop andere wachten.
       *[recycle_instance] We starten een deel van de dienst opnieuw.
    }
done =
    { $kind ->
        [start_run] We hebben een achtergrondtaak opnieuw gestart.
        [end_run] We hebben een achtergrondtaak beëindigd.
        [end_backend] We hebben een bewerking in de database beëindigd waarop andere wachtten.
       *[recycle_instance] We hebben een deel van de dienst opnieuw gestart.
    }
began = Sinds { $from }
lasted = { $from } tot { $to }, in totaal { $span }
earlier_updates = Eerdere berichten
earlier_updates_gone = Eerdere berichten worden niet meer getoond.

## In the application

banner_you = Dit betreft ook u.
banner_hide = Dit bericht verbergen

## On the telephone

# One current text for whoever calls, at most twenty seconds long: numbers in words, since not
# every voice reads figures well, and short sentences.
spoken_hour =
    { $hour ->
        [0] nul
        [1] één
        [2] twee
        [3] drie
        [4] vier
        [5] vijf
        [6] zes
        [7] zeven
        [8] acht
        [9] negen
        [10] tien
        [11] elf
        [12] twaalf
        [13] dertien
        [14] veertien
        [15] vijftien
        [16] zestien
        [17] zeventien
        [18] achttien
        [19] negentien
        [20] twintig
        [21] eenentwintig
        [22] tweeëntwintig
       *[23] drieëntwintig
    }
spoken_minute =
    { $minute ->
        [1] één
        [2] twee
        [3] drie
        [4] vier
        [5] vijf
        [6] zes
        [7] zeven
        [8] acht
        [9] negen
        [10] tien
        [11] elf
        [12] twaalf
        [13] dertien
        [14] veertien
        [15] vijftien
        [16] zestien
        [17] zeventien
        [18] achttien
        [19] negentien
        [20] twintig
        [21] eenentwintig
        [22] tweeëntwintig
        [23] drieëntwintig
        [24] vierentwintig
        [25] vijfentwintig
        [26] zesentwintig
        [27] zevenentwintig
        [28] achtentwintig
        [29] negenentwintig
        [30] dertig
        [31] eenendertig
        [32] tweeëndertig
        [33] drieëndertig
        [34] vierendertig
        [35] vijfendertig
        [36] zesendertig
        [37] zevenendertig
        [38] achtendertig
        [39] negenendertig
        [40] veertig
        [41] eenenveertig
        [42] tweeënveertig
        [43] drieënveertig
        [44] vierenveertig
        [45] vijfenveertig
        [46] zesenveertig
        [47] zevenenveertig
        [48] achtenveertig
        [49] negenenveertig
        [50] vijftig
        [51] eenenvijftig
        [52] tweeënvijftig
        [53] drieënvijftig
        [54] vierenvijftig
        [55] vijfenvijftig
        [56] zesenvijftig
        [57] zevenenvijftig
        [58] achtenvijftig
       *[59] negenenvijftig
    }
# Monday is 1.
spoken_day =
    { $day ->
        [1] maandag
        [2] dinsdag
        [3] woensdag
        [4] donderdag
        [5] vrijdag
        [6] zaterdag
       *[7] zondag
    }
spoken_time = { $hour } uur { $minute }
spoken_time_full = { $hour } uur
# Where nobody said in which zone callers live.
spoken_zone = { $time } UTC
spoken_day_time = { $day } { $time }
# Functions whose names are too long or too many to be spoken.
spoken_functions =
    { $count ->
        [one] een functie
       *[other] meerdere functies
    }
spoken_ours = De storing ligt bij ons, en we werken eraan.
spoken_since = We weten ervan sinds { $at }.
spoken_since_long = We weten ervan sinds meer dan een week.
spoken_next = U hoort meer vóór { $at }.
spoken_unknown =
    { $count ->
        [one] We kunnen op dit moment niet zien of { $functions } werkt.
       *[other] We kunnen op dit moment niet zien of { $functions } werken.
    }
spoken_blind = We kunnen op dit moment niet zien hoe het ervoor staat. We werken eraan.
spoken_recovered =
    { $count ->
        [one] { $functions } werkt weer. We blijven opletten.
       *[other] { $functions } werken weer. We blijven opletten.
    }
spoken_planned = Dit onderhoud is gepland.

## Planned work

# A title; may begin with the names of functions.
maintenance_of = onderhoud aan { $functions }
maintenance_status =
    { $status ->
        [scheduled] Gepland
        [in_progress] Bezig
        [verifying] Wordt gecontroleerd
        [completed] Afgerond
       *[cancelled] Afgelast
    }
# What is to be expected of it.
maintenance_impact =
    { $impact ->
        [outage]
            { $count ->
                [one] In deze tijd kan het zijn dat { $functions } niet werkt.
               *[other] In deze tijd kan het zijn dat { $functions } niet werken.
            }
        [degraded]
            { $count ->
                [one] In deze tijd kan { $functions } traag zijn.
               *[other] In deze tijd kunnen { $functions } traag zijn.
            }
        [reduced_redundancy]
            { $count ->
                [one] We verwachten dat niemand het merkt; { $functions } kan in deze tijd minder fouten opvangen.
               *[other] We verwachten dat niemand het merkt; { $functions } kunnen in deze tijd minder fouten opvangen.
            }
       *[no_impact] We verwachten dat niemand er iets van merkt ({ $functions }).
    }
maintenance_announced = Begin: { $from }, einde: { $to }.
maintenance_reminder = Ter herinnering: begin { $from }, einde { $to }.
maintenance_moved = Nieuw tijdstip: begin { $from }, einde { $to }.
maintenance_began = Het werk is begonnen. Het is naar verwachting uiterlijk { $to } klaar.
maintenance_extended = Het werk duurt langer dan gepland. Het is naar verwachting uiterlijk { $to } klaar.
maintenance_overdue = Het werk zou { $to } klaar zijn en is dat nog niet. We zijn ermee bezig.
maintenance_said =
    { $news ->
        [verifying] Het werk is gedaan. We controleren of alles in orde is.
        [completed] Het werk is afgerond.
       *[cancelled] Het werk gaat niet door.
    }
heading_maintenance = Gepland onderhoud
maintenance_none = Er is geen onderhoud gepland.
maintenance_past = Eerder onderhoud
maintenance_all = Al het geplande onderhoud
maintenance_title = Kalender van gepland onderhoud
# A link to a calendar file follows.
maintenance_calendar = Voor uw agenda:

## Post-mortems

# $title: of the incident; $link: an address.
postmortem = Terugblik
postmortem_of = Terugblik: { $title }
postmortem_read = Wat er gebeurde, waarom, en wat we eraan doen
postmortem_published = We hebben beschreven wat er gebeurde, waarom, en wat we eraan doen: { $link }
postmortem_source = Tijden en cijfers komen uit de registratie die tijdens de storing is bijgehouden.
heading_figures = In cijfers
hurt = Klanten hadden er last van van { $from } tot { $to }: { $span }.
first_sign = Eerste teken: { $at }, voordat iemand er last van had.
found_after = Ontdekt: { $at }, { $span } na het begin.
first_word = Eerste openbare bericht: { $at }, { $span } na het begin.
first_word_none = De storing was voorbij voordat er iets was gemeld.
came_back =
    { $count ->
        [one] De storing kwam { $count } keer terug.
       *[other] De storing kwam { $count } keer terug.
    }
failed_requests =
    { $count ->
        [one] Minstens { $count } verzoek is mislukt.
       *[other] Minstens { $count } verzoeken zijn mislukt.
    }
failed_checks =
    { $count ->
        [one] Onze eigen test van deze functies is minstens { $count } keer mislukt.
       *[other] Onze eigen tests van deze functies zijn minstens { $count } keer mislukt.
    }
affected_all_then = Alle klanten waren getroffen.
affected_some_then = Een deel van de klanten was getroffen.
affected_group_then = Getroffen waren: { $group }.
data_safe_then = Er zijn geen gegevens aangetast geweest.
data_affected_then = Er zijn gegevens aangetast geweest.
data_checked_then = Bij publicatie stond nog niet vast of er gegevens waren aangetast.
heading_timeline = Verloop
moment_sign = Het eerste teken
moment_found = Ontdekt dat klanten er last van hadden.
moment_told = We hebben klanten geïnformeerd: { $word }.
moment_corrected = We hebben een eerder bericht gecorrigeerd.
moment_recovered = Niemand had er nog last van.
moment_over = De storing was voorbij.
moment_back = De storing kwam terug.
moments_left_out =
    { $count ->
        [one] Nog { $count } moment is niet vermeld.
       *[other] Nog { $count } momenten zijn niet vermeld.
    }
heading_summary = Wat er gebeurde
heading_cause = Waarom het gebeurde
heading_factors = Wat het erger maakte
heading_went_well = Wat goed ging
heading_measures = Wat we eraan doen
measure_open = Klaar uiterlijk { $due }
measure_late = Te laat: dit moest uiterlijk { $due } klaar zijn
measure_done = Gedaan op { $at }
measure_dropped = Vervallen op { $at }
measure_moved = eerst gepland voor { $from }
edition_first = Gepubliceerd op { $at }.
edition_corrected = Gecorrigeerd op { $at }.

## Ninety days

history_none = Nog geen geschiedenis
history_calm = Geen storing
history_disturbed = In totaal { $span } verstoord
history_unknown = { $history }, { $span } onbekend
history_maintained = { $history }, { $span } in onderhoud
strip = { $name }, { $from } tot en met { $to }: { $history }
bad_days = Dagen met een storing, met telkens het ergste

## Subscriptions

subscribe = Berichten per e-mail
subscribe_about = We schrijven als er iets mis is, als het voorbij is, en over gepland werk. Verder niets.
mail_address = E-mailadres
functions_wanted = Over deze functies
maintenance_only = Alleen over gepland werk
mail_language = Taal van de e-mails
subscribe_send = Stuur mij een link om te bevestigen
subscribe_sent = Kijk in uw mailbox
subscribe_sent_how = Als dit adres e-mail kan ontvangen, is er een link onderweg. Verder wordt niets verstuurd voordat u daar hebt bevestigd. Een adres krijgt één zo'n e-mail per uur.
address_wrong = Naar dit adres kunnen we niet schrijven.
functions_none = Kies ten minste één functie.
subscribe_busy = Er zijn nu te veel aanvragen. Probeer het over een uur opnieuw.
subscription = Uw abonnement
subscription_of = Voor { $address }
subscribe_confirm = Bevestigen
subscribe_confirmed = Vanaf nu schrijven we u.
subscription_paused = Onze e-mails konden niet worden bezorgd, daarom zijn we gestopt. Bevestig, en ze beginnen weer.
subscription_save = Opslaan
subscription_saved = Het is opgeslagen.
unsubscribe = Afmelden
unsubscribe_how = Geen e-mails meer; uw adres wordt gewist.
unsubscribed = U krijgt geen e-mails meer. Uw adres is gewist.
link_gone = Deze link leidt niet naar een abonnement
link_gone_why = Het abonnement is beëindigd of nooit bevestigd. U kunt zich opnieuw aanmelden.
letter_confirm = Graag bevestigen: berichten over { $service }
letter_confirm_why = Dit adres is ons gegeven voor berichten over { $service }. Bevestig het hier:
letter_confirm_else = Hebt u hier niet om gevraagd, dan hoeft u niets te doen. Verder wordt niets verstuurd, en het adres wordt na drie dagen gewist.
letter_known = Uw abonnement op berichten over { $service }
letter_known_why = U krijgt op dit adres berichten over { $service }. Wijzig of beëindig dat hier:
letter_correction = Correctie: { $title }
letter_page = Het hele verhaal, en hoe het er nu voor staat:
letter_why = U krijgt deze e-mail omdat u zich hebt aangemeld voor berichten over { $service }.
letter_end = Wijzigen of afmelden:

## The page

site = Status van { $service }
as_of = Stand van { $at }.
as_of_old = Hieronder staat wat toen bekend was.
heading_functions = Functies
heading_open = Wat er nu speelt
heading_past = Eerdere storingen
past_none = Sinds { $since } is er geen storing geëindigd.
home = Hoe het er nu voor staat
missing_title = Pagina niet gevonden
missing = Deze pagina bestaat niet
missing_why = Storingen die ouder zijn dan ongeveer de laatste tweehonderd, worden hier niet meer getoond.
languages = Taal
# Is it me? What we see, and what the visitor's own browser found.
me_heading = Ligt het aan mij?
me_ours = Het ligt aan ons: u hoeft bij uzelf geen fout te zoeken.
me_over = Het lag aan ons, en het werkt weer: werkt het bij u niet, laad de pagina dan opnieuw.
me_well = Wij zien geen storing: werkt er bij u iets niet, laad de pagina dan opnieuw en log opnieuw in, of probeer een andere browser of een ander netwerk.
me_unknown = Of het aan ons ligt, kunnen we op dit moment niet zien.
me_reached = Wij zien geen storing, en uw browser bereikt de dienst: werkt er toch iets niet, laad de pagina dan opnieuw en log opnieuw in.
me_wrong = De dienst heeft uw browser zojuist een fout gegeven die wij van buitenaf niet zien: probeer het over een minuut opnieuw, en laat het ons weten als het zo blijft.
me_silent = Wij zien geen storing, maar de dienst geeft uw browser geen antwoord: controleer uw verbinding, VPN en firewall, of probeer een ander netwerk.
me_blocked = Wij zien geen storing, maar uw browser komt niet bij de dienst: controleer VPN, firewall en extensies die blokkeren, of probeer een ander netwerk.
me_offline = Uw apparaat is offline: controleer de verbinding; deze pagina kijkt vanzelf opnieuw.
me_unknown_reached = Of het aan ons ligt, kunnen we op dit moment niet zien, maar uw browser bereikt de dienst.
me_unknown_unreached = Of het aan ons ligt, kunnen we op dit moment niet zien; ook uw browser krijgt geen goed antwoord van de dienst.
# Legal links.
imprint = Colofon
privacy = Privacyverklaring
# Below an incident.
useful = Had u hier iets aan?
useful_yes = Ja
useful_no = Nee
useful_thanks = Dank u wel voor uw antwoord.
# What a feed says of itself.
feed = Storingen en hoe ze verliepen, de nieuwste eerst
# Links to feeds and files follow.
follow = Volgen in een feedlezer:
programs = Voor programma's:
# A link to the key follows.
signed = Elke kopie is ondertekend:
footer = Bewaakt door Evenkeel. Wat onbekend is, tonen we als onbekend. Alle tijden zijn in UTC.

## A copy of the page that lies elsewhere

# $made, $until: times with their date.
copy_valid = Kopie van { $made }, geldig tot { $until }; daarna is onbekend hoe het ervoor staat.
copy_unknown = Sinds { $until } is onbekend hoe het ervoor staat
copy_not_renewed = Deze kopie van de pagina is niet vernieuwd. Over nu zegt ze niets.
copy_again = Opnieuw kijken
