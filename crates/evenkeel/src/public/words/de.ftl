# What customers read, in German. Names of functions are proper names: nothing
# inflects them, and nothing in a sentence agrees with their gender.

## Dates, times, lengths of time

month =
    { $month ->
        [1] Januar
        [2] Februar
        [3] März
        [4] April
        [5] Mai
        [6] Juni
        [7] Juli
        [8] August
        [9] September
        [10] Oktober
        [11] November
       *[12] Dezember
    }
date = { $day }. { $month }
date_year = { $day }. { $month } { $year }
time = { $hour }:{ $minute } Uhr UTC
time_exact = { $hour }:{ $minute }:{ $second } Uhr UTC
moment = { $date }, { $time }
seconds =
    { $count ->
        [one] { $count } Sekunde
       *[other] { $count } Sekunden
    }
minutes =
    { $count ->
        [one] { $count } Minute
       *[other] { $count } Minuten
    }
hours =
    { $count ->
        [one] { $count } Stunde
       *[other] { $count } Stunden
    }
days =
    { $count ->
        [one] { $count } Tag
       *[other] { $count } Tage
    }

## Functions, and how they are

# $names: all but the last, with commas between.
list = { $names } und { $last }
functions_named = { $names }
functions_counted =
    { $count ->
        [one] { $count } Funktion
       *[other] { $count } Funktionen
    }
# Part of a sentence that may begin with it.
clause =
    { $status ->
        [operational]
            { $count ->
                [one] { $functions } funktioniert
               *[other] { $functions } funktionieren
            }
        [under_maintenance]
            { $count ->
                [one] { $functions } wird gewartet
               *[other] { $functions } werden gewartet
            }
        [degraded_performance]
            { $count ->
                [one] { $functions } ist langsam
               *[other] { $functions } sind langsam
            }
        [partial_outage]
            { $count ->
                [one] { $functions } ist für einen Teil der Nutzer ausgefallen
               *[other] { $functions } sind für einen Teil der Nutzer ausgefallen
            }
        [major_outage]
            { $count ->
                [one] { $functions } ist ausgefallen
               *[other] { $functions } sind ausgefallen
            }
       *[unknown]
            { $count ->
                [one] ob { $functions } funktioniert, ist nicht bekannt
               *[other] ob { $functions } funktionieren, ist nicht bekannt
            }
    }
# The same of what is over.
clause_over =
    { $status ->
        [degraded_performance]
            { $count ->
                [one] { $functions } war langsam
               *[other] { $functions } waren langsam
            }
        [partial_outage]
            { $count ->
                [one] { $functions } war für einen Teil der Nutzer ausgefallen
               *[other] { $functions } waren für einen Teil der Nutzer ausgefallen
            }
        [major_outage]
            { $count ->
                [one] { $functions } war ausgefallen
               *[other] { $functions } waren ausgefallen
            }
       *[unknown]
            { $count ->
                [one] { $functions } war gestört
               *[other] { $functions } waren gestört
            }
    }
# In a row beside the function's name.
status =
    { $status ->
        [operational] funktioniert
        [under_maintenance] in Wartung
        [degraded_performance] langsam
        [partial_outage] für einige ausgefallen
        [major_outage] ausgefallen
       *[unknown] nicht bekannt
    }
status_since = { $status } seit { $since }

## The answer at the top of the page, without a full stop

answer_stale = Wie es steht, ist seit { $since } nicht bekannt; wir arbeiten daran
answer_nothing_watched = Noch wird keine Funktion überwacht
# $state: clauses as above.
answer_harm = { $state } (seit { $since }); wir arbeiten daran
answer_unknown =
    { $count ->
        [one] ob { $functions } funktioniert, ist seit { $since } nicht bekannt; von anderen Störungen ist nichts bekannt
       *[other] ob { $functions } funktionieren, ist seit { $since } nicht bekannt; von anderen Störungen ist nichts bekannt
    }
answer_maintenance = { $state } (bis { $until })
answer_recovered =
    { $count ->
        [one] { $functions } funktioniert wieder; wir beobachten weiter
       *[other] { $functions } funktionieren wieder; wir beobachten weiter
    }
answer_well = Alle Funktionen sind verfügbar
still_works =
    { $count ->
        [one] { $functions } funktioniert weiterhin.
       *[other] { $functions } funktionieren weiterhin.
    }
all_else_works = Alles andere funktioniert.
# A witness at another place says these while the operators are out of reach.
unreachable = Seit { $since } erreichen wir weder den Dienst noch die Systeme seiner Betreiber
unreachable_operators = Der Dienst antwortet von außen; seit { $since } sind die Systeme seiner Betreiber nicht erreichbar
unreachable_unknown = Seit { $since } sind die Systeme der Betreiber nicht erreichbar; ob der Dienst funktioniert, ist nicht bekannt
witnessed = Das sagt ein Zeuge an einem anderen Ort, der den Dienst von außen ansieht. Sobald die Systeme der Betreiber wieder erreichbar sind, steht hier wieder deren eigene Seite.

## Incidents

incident_status =
    { $status ->
        [investigating] Wird untersucht
        [identified] Ursache bekannt
        [monitoring] Wird beobachtet
       *[resolved] Behoben
    }
# A sentence after the state of the functions.
stands =
    { $status ->
        [investigating] Wir haben es bemerkt und suchen die Ursache.
        [identified] Wir kennen die Ursache und arbeiten an der Behebung.
        [monitoring] Wir beobachten weiter, ob es so bleibt.
       *[resolved] Die Störung ist vorbei.
    }
next_word = Nächste Nachricht bis { $at }.
# What a person adds. $group: the name of some customers; $language: of itself.
affected_all = Alle Kunden sind betroffen.
affected_some = Ein Teil der Kunden ist betroffen.
affected_group = Betroffen: { $group }.
data_safe = Daten sind nicht betroffen.
data_affected = Daten sind betroffen.
data_checked = Wir prüfen, ob Daten betroffen sind.
corrects = Dies berichtigt eine frühere Meldung.
original = Originaltext ({ $language }):
# What is done about it.
doing =
    { $kind ->
        [start_run] Wir starten einen Hintergrundprozess neu.
        [end_run] Wir beenden einen Hintergrundprozess.
        [end_backend] Wir beenden einen Vorgang in der Datenbank, auf den andere warten.
       *[recycle_instance] Wir starten einen Teil des Dienstes neu.
    }
done =
    { $kind ->
        [start_run] Wir haben einen Hintergrundprozess neu gestartet.
        [end_run] Wir haben einen Hintergrundprozess beendet.
        [end_backend] Wir haben einen Vorgang in der Datenbank beendet, auf den andere gewartet haben.
       *[recycle_instance] Wir haben einen Teil des Dienstes neu gestartet.
    }
began = Seit { $from }
lasted = { $from } bis { $to }, insgesamt { $span }
earlier_updates = Frühere Nachrichten
earlier_updates_gone = Frühere Nachrichten werden nicht mehr gezeigt.

## In the application

banner_you = Sie sind betroffen.
banner_hide = Diese Nachricht ausblenden

## On the telephone

# One current text for whoever calls, at most twenty seconds long: numbers in words, since not
# every voice reads figures well, and short sentences.
spoken_hour =
    { $hour ->
        [0] null
        [1] ein
        [2] zwei
        [3] drei
        [4] vier
        [5] fünf
        [6] sechs
        [7] sieben
        [8] acht
        [9] neun
        [10] zehn
        [11] elf
        [12] zwölf
        [13] dreizehn
        [14] vierzehn
        [15] fünfzehn
        [16] sechzehn
        [17] siebzehn
        [18] achtzehn
        [19] neunzehn
        [20] zwanzig
        [21] einundzwanzig
        [22] zweiundzwanzig
       *[23] dreiundzwanzig
    }
spoken_minute =
    { $minute ->
        [1] eins
        [2] zwei
        [3] drei
        [4] vier
        [5] fünf
        [6] sechs
        [7] sieben
        [8] acht
        [9] neun
        [10] zehn
        [11] elf
        [12] zwölf
        [13] dreizehn
        [14] vierzehn
        [15] fünfzehn
        [16] sechzehn
        [17] siebzehn
        [18] achtzehn
        [19] neunzehn
        [20] zwanzig
        [21] einundzwanzig
        [22] zweiundzwanzig
        [23] dreiundzwanzig
        [24] vierundzwanzig
        [25] fünfundzwanzig
        [26] sechsundzwanzig
        [27] siebenundzwanzig
        [28] achtundzwanzig
        [29] neunundzwanzig
        [30] dreißig
        [31] einunddreißig
        [32] zweiunddreißig
        [33] dreiunddreißig
        [34] vierunddreißig
        [35] fünfunddreißig
        [36] sechsunddreißig
        [37] siebenunddreißig
        [38] achtunddreißig
        [39] neununddreißig
        [40] vierzig
        [41] einundvierzig
        [42] zweiundvierzig
        [43] dreiundvierzig
        [44] vierundvierzig
        [45] fünfundvierzig
        [46] sechsundvierzig
        [47] siebenundvierzig
        [48] achtundvierzig
        [49] neunundvierzig
        [50] fünfzig
        [51] einundfünfzig
        [52] zweiundfünfzig
        [53] dreiundfünfzig
        [54] vierundfünfzig
        [55] fünfundfünfzig
        [56] sechsundfünfzig
        [57] siebenundfünfzig
        [58] achtundfünfzig
       *[59] neunundfünfzig
    }
# Monday is 1.
spoken_day =
    { $day ->
        [1] Montag
        [2] Dienstag
        [3] Mittwoch
        [4] Donnerstag
        [5] Freitag
        [6] Samstag
       *[7] Sonntag
    }
spoken_time = { $hour } Uhr { $minute }
spoken_time_full = { $hour } Uhr
# Where nobody said in which zone callers live.
spoken_zone = { $time } UTC
spoken_day_time = { $day }, { $time }
# Functions whose names are too long or too many to be spoken.
spoken_functions =
    { $count ->
        [one] eine Funktion
       *[other] mehrere Funktionen
    }
spoken_ours = Die Störung liegt bei uns, und wir arbeiten daran.
spoken_since = Wir wissen davon seit { $at }.
spoken_since_long = Wir wissen davon seit mehr als einer Woche.
spoken_next = Sie hören mehr bis { $at }.
spoken_unknown =
    { $count ->
        [one] Wir können zurzeit nicht sehen, ob { $functions } funktioniert.
       *[other] Wir können zurzeit nicht sehen, ob { $functions } funktionieren.
    }
spoken_blind = Wir können zurzeit nicht sehen, wie es steht. Wir arbeiten daran.
spoken_recovered =
    { $count ->
        [one] { $functions } funktioniert wieder. Wir beobachten weiter.
       *[other] { $functions } funktionieren wieder. Wir beobachten weiter.
    }
spoken_planned = Diese Arbeiten sind geplant.

## Planned work

# A title; may begin with the names of functions.
maintenance_of = Wartung: { $functions }
maintenance_status =
    { $status ->
        [scheduled] Geplant
        [in_progress] Im Gange
        [verifying] Wird geprüft
        [completed] Abgeschlossen
       *[cancelled] Abgesagt
    }
# What is to be expected of it.
maintenance_impact =
    { $impact ->
        [outage]
            { $count ->
                [one] In dieser Zeit kann { $functions } ausfallen.
               *[other] In dieser Zeit können { $functions } ausfallen.
            }
        [degraded]
            { $count ->
                [one] In dieser Zeit kann { $functions } langsam sein.
               *[other] In dieser Zeit können { $functions } langsam sein.
            }
        [reduced_redundancy]
            { $count ->
                [one] Voraussichtlich bemerkt es niemand; { $functions } verträgt in dieser Zeit weniger Fehler.
               *[other] Voraussichtlich bemerkt es niemand; { $functions } vertragen in dieser Zeit weniger Fehler.
            }
       *[no_impact] Voraussichtlich bemerkt es niemand ({ $functions }).
    }
maintenance_announced = Beginn: { $from }, Ende: { $to }.
maintenance_reminder = Zur Erinnerung: Beginn { $from }, Ende { $to }.
maintenance_moved = Neuer Termin: Beginn { $from }, Ende { $to }.
maintenance_began = Die Arbeiten haben begonnen. Sie sollen bis { $to } abgeschlossen sein.
maintenance_extended = Die Arbeiten dauern länger als geplant. Sie sollen bis { $to } abgeschlossen sein.
maintenance_overdue = Die Arbeiten sollten bis { $to } abgeschlossen sein und sind es noch nicht. Wir arbeiten daran.
maintenance_said =
    { $news ->
        [verifying] Die Arbeiten sind getan. Wir prüfen, ob alles in Ordnung ist.
        [completed] Die Arbeiten sind abgeschlossen.
       *[cancelled] Die Arbeiten finden nicht statt.
    }
heading_maintenance = Geplante Arbeiten
maintenance_none = Es sind keine Arbeiten geplant.
maintenance_past = Frühere Arbeiten
maintenance_all = Alle geplanten Arbeiten
maintenance_title = Kalender der geplanten Arbeiten
# A link to a calendar file follows.
maintenance_calendar = Für Ihren Kalender:

## Post-mortems

# $title: of the incident; $link: an address.
postmortem = Nachbetrachtung
postmortem_of = Nachbetrachtung: { $title }
postmortem_read = Was geschah, warum, und was wir dagegen tun
postmortem_published = Wir haben veröffentlicht, was geschah, warum, und was wir dagegen tun: { $link }
postmortem_source = Zeiten und Zahlen stammen aus den Aufzeichnungen, die währenddessen geführt wurden.
heading_figures = In Zahlen
hurt = Kunden waren betroffen von { $from } bis { $to }: { $span }.
first_sign = Erstes Anzeichen: { $at }, bevor jemand betroffen war.
found_after = Entdeckt: { $at }, { $span } nach dem Beginn.
first_word = Erste öffentliche Meldung: { $at }, { $span } nach dem Beginn.
first_word_none = Die Störung war vorbei, bevor etwas gemeldet wurde.
came_back =
    { $count ->
        [one] Die Störung kam { $count } Mal wieder, bevor sie vorbei war.
       *[other] Die Störung kam { $count } Mal wieder, bevor sie vorbei war.
    }
failed_requests =
    { $count ->
        [one] Mindestens { $count } Anfrage ist fehlgeschlagen.
       *[other] Mindestens { $count } Anfragen sind fehlgeschlagen.
    }
failed_checks =
    { $count ->
        [one] Unsere eigene Prüfung dieser Funktionen ist mindestens { $count } Mal fehlgeschlagen.
       *[other] Unsere eigenen Prüfungen dieser Funktionen sind mindestens { $count } Mal fehlgeschlagen.
    }
affected_all_then = Alle Kunden waren betroffen.
affected_some_then = Ein Teil der Kunden war betroffen.
affected_group_then = Betroffen waren: { $group }.
data_safe_then = Daten waren nicht betroffen.
data_affected_then = Daten waren betroffen.
data_checked_then = Ob Daten betroffen waren, stand bei der Veröffentlichung noch nicht fest.
heading_timeline = Verlauf
moment_sign = Das erste Anzeichen
moment_found = Entdeckt, dass Kunden betroffen sind.
moment_told = Wir haben Kunden informiert: { $word }.
moment_corrected = Wir haben eine frühere Meldung berichtigt.
moment_recovered = Niemand war mehr betroffen.
moment_over = Die Störung war vorbei.
moment_back = Die Störung kam wieder.
moments_left_out =
    { $count ->
        [one] { $count } weiterer Zeitpunkt ist nicht aufgeführt.
       *[other] { $count } weitere Zeitpunkte sind nicht aufgeführt.
    }
heading_summary = Was geschah
heading_cause = Warum es geschah
heading_factors = Was es schlimmer machte
heading_went_well = Was gut lief
heading_measures = Was wir dagegen tun
measure_open = Zu erledigen bis { $due }
measure_late = Überfällig: zu erledigen bis { $due }
measure_done = Erledigt am { $at }
measure_dropped = Entfallen am { $at }
measure_moved = zuerst geplant bis { $from }
edition_first = Veröffentlicht am { $at }.
edition_corrected = Berichtigt am { $at }.

## Ninety days

history_none = Noch kein Verlauf
history_calm = Keine Störung
history_disturbed = Insgesamt { $span } gestört
history_unknown = { $history }, { $span } unbekannt
history_maintained = { $history }, { $span } in Wartung
strip = { $name }, { $from } bis { $to }: { $history }
bad_days = Tage mit einer Störung und ihr jeweils schlechtester Stand

## Subscriptions

subscribe = Meldungen per E-Mail
subscribe_about = Wir schreiben, wenn etwas gestört ist, wenn es vorbei ist und über geplante Arbeiten. Sonst nichts.
mail_address = E-Mail-Adresse
functions_wanted = Über diese Funktionen
maintenance_only = Nur über geplante Arbeiten
mail_language = Sprache der E-Mails
subscribe_send = Link zum Bestätigen senden
subscribe_sent = Bitte sehen Sie in Ihr Postfach
subscribe_sent_how = Wenn diese Adresse E-Mails empfängt, ist ein Link unterwegs. Bevor Sie dort bestätigt haben, wird sonst nichts gesendet. Eine Adresse erhält eine solche E-Mail pro Stunde.
address_wrong = An diese Adresse können wir nicht schreiben.
functions_none = Bitte wählen Sie mindestens eine Funktion.
subscribe_busy = Im Moment kommen zu viele Anfragen. Bitte versuchen Sie es in einer Stunde noch einmal.
subscription = Ihr Abonnement
subscription_of = Für { $address }
subscribe_confirm = Bestätigen
subscribe_confirmed = Ab jetzt schreiben wir Ihnen.
subscription_paused = Unsere E-Mails konnten nicht zugestellt werden, deshalb haben wir aufgehört. Bestätigen Sie, und sie beginnen wieder.
subscription_save = Speichern
subscription_saved = Es ist gespeichert.
unsubscribe = Abmelden
unsubscribe_how = Keine E-Mails mehr; Ihre Adresse wird gelöscht.
unsubscribed = Sie erhalten keine E-Mails mehr. Ihre Adresse ist gelöscht.
link_gone = Dieser Link führt zu keinem Abonnement
link_gone_why = Das Abonnement wurde beendet oder nie bestätigt. Sie können sich wieder anmelden.
letter_confirm = Bitte bestätigen: Meldungen zu { $service }
letter_confirm_why = Diese Adresse wurde uns für Meldungen zu { $service } genannt. Bestätigen Sie sie hier:
letter_confirm_else = Wenn Sie das nicht wollten, tun Sie nichts. Sonst wird nichts gesendet, und die Adresse wird nach drei Tagen gelöscht.
letter_known = Ihr Abonnement der Meldungen zu { $service }
letter_known_why = Sie erhalten an dieser Adresse Meldungen zu { $service }. Hier ändern oder beenden Sie das:
letter_correction = Berichtigung: { $title }
letter_page = Alles dazu, und wie es jetzt steht:
letter_why = Sie erhalten diese E-Mail, weil Sie Meldungen zu { $service } abonniert haben.
letter_end = Ändern oder abmelden:

## The page

site = Status: { $service }
as_of = Stand: { $at }.
as_of_old = Unten steht, was zu diesem Zeitpunkt bekannt war.
heading_functions = Funktionen
heading_open = Was gerade los ist
heading_past = Vergangene Störungen
past_none = Seit dem { $since } ist keine Störung zu Ende gegangen.
home = Wie es jetzt steht
missing_title = Seite nicht gefunden
missing = Diese Seite gibt es nicht
missing_why = Störungen, die älter sind als etwa die letzten zweihundert, werden hier nicht mehr gezeigt.
languages = Sprache
# Is it me? What we see, and what the visitor's own browser found.
me_heading = Liegt es an mir?
me_ours = Es liegt an uns: Sie brauchen bei sich keinen Fehler zu suchen.
me_over = Es lag an uns und funktioniert wieder: Falls nicht auch bei Ihnen, laden Sie die Seite neu.
me_well = Wir sehen keine Störung: Falls bei Ihnen etwas nicht funktioniert, laden Sie die Seite neu und melden Sie sich neu an, oder versuchen Sie einen anderen Browser oder ein anderes Netz.
me_unknown = Ob es an uns liegt, können wir zurzeit nicht sehen.
me_reached = Wir sehen keine Störung, und Ihr Browser erreicht den Dienst: Falls trotzdem etwas nicht funktioniert, laden Sie die Seite neu und melden Sie sich neu an.
me_wrong = Der Dienst hat Ihrem Browser soeben mit einem Fehler geantwortet, den wir von außen nicht sehen: Versuchen Sie es in einer Minute erneut, und sagen Sie uns, wenn es so bleibt.
me_silent = Wir sehen keine Störung, aber der Dienst antwortet Ihrem Browser nicht: Prüfen Sie Verbindung, VPN und Firewall, oder versuchen Sie ein anderes Netz.
me_blocked = Wir sehen keine Störung, aber Ihr Browser kommt nicht zum Dienst durch: Prüfen Sie VPN, Firewall und blockierende Erweiterungen, oder versuchen Sie ein anderes Netz.
me_offline = Ihr Gerät ist offline: Prüfen Sie die Verbindung; diese Seite sieht von selbst wieder nach.
me_unknown_reached = Ob es an uns liegt, können wir zurzeit nicht sehen, aber Ihr Browser erreicht den Dienst.
me_unknown_unreached = Ob es an uns liegt, können wir zurzeit nicht sehen; auch Ihr Browser bekommt vom Dienst keine gute Antwort.
# Legal links.
imprint = Impressum
privacy = Datenschutz
# Below an incident.
useful = War das hilfreich?
useful_yes = Ja
useful_no = Nein
useful_thanks = Danke für Ihre Antwort.
# What a feed says of itself.
feed = Störungen und ihr Verlauf, die neuesten zuerst
# Links to feeds and files follow.
follow = Im Feedreader verfolgen:
programs = Für Programme:
# A link to the key follows.
signed = Jede Kopie ist signiert:
footer = Überwacht von Evenkeel. Was nicht bekannt ist, wird als nicht bekannt gezeigt. Alle Zeiten sind in UTC.

## A copy of the page that lies elsewhere

# $made, $until: times with their date.
copy_valid = Kopie vom { $made }, gültig bis { $until }; danach ist unbekannt, wie es steht.
copy_unknown = Seit dem { $until } ist unbekannt, wie es steht
copy_not_renewed = Diese Kopie der Seite wurde nicht erneuert. Über jetzt sagt sie nichts.
copy_again = Erneut nachsehen
