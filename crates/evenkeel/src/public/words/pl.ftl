# What customers read, in Polish. Names of functions are proper names: nothing
# inflects them. A sentence agrees with the word "funkcja" before them.

## Dates, times, lengths of time

# In the genitive, as in a date.
month =
    { $month ->
        [1] stycznia
        [2] lutego
        [3] marca
        [4] kwietnia
        [5] maja
        [6] czerwca
        [7] lipca
        [8] sierpnia
        [9] września
        [10] października
        [11] listopada
       *[12] grudnia
    }
date = { $day } { $month }
date_year = { $day } { $month } { $year }
time = godz. { $hour }:{ $minute } UTC
time_exact = godz. { $hour }:{ $minute }:{ $second } UTC
moment = { $date }, { $time }
# In the nominative: after a colon, or by themselves.
seconds =
    { $count ->
        [one] { $count } sekunda
        [few] { $count } sekundy
       *[many] { $count } sekund
    }
minutes =
    { $count ->
        [one] { $count } minuta
        [few] { $count } minuty
       *[many] { $count } minut
    }
hours =
    { $count ->
        [one] { $count } godzina
        [few] { $count } godziny
       *[many] { $count } godzin
    }
days =
    { $count ->
        [one] { $count } dzień
       *[many] { $count } dni
    }

## Functions, and how they are

# $names: all but the last, with commas between.
list = { $names } i { $last }
functions_named =
    { $count ->
        [one] funkcja { $names }
       *[few] funkcje { $names }
    }
functions_counted =
    { $count ->
        [one] { $count } funkcja
        [few] { $count } funkcje
       *[many] { $count } funkcji
    }
# Part of a sentence that may begin with it. From five on, the verb is in the singular
# neuter: "5 funkcji nie działa".
clause =
    { $status ->
        [operational]
            { $count ->
                [few] { $functions } działają
               *[many] { $functions } działa
            }
        [under_maintenance]
            { $count ->
                [few] { $functions } są w trakcie prac konserwacyjnych
               *[many] { $functions } jest w trakcie prac konserwacyjnych
            }
        [degraded_performance]
            { $count ->
                [few] { $functions } działają wolno
               *[many] { $functions } działa wolno
            }
        [partial_outage]
            { $count ->
                [few] { $functions } nie działają u części użytkowników
               *[many] { $functions } nie działa u części użytkowników
            }
        [major_outage]
            { $count ->
                [few] { $functions } nie działają
               *[many] { $functions } nie działa
            }
       *[unknown]
            { $count ->
                [few] nie wiadomo, czy { $functions } działają
               *[many] nie wiadomo, czy { $functions } działa
            }
    }
# The same of what is over.
clause_over =
    { $status ->
        [degraded_performance]
            { $count ->
                [one] { $functions } działała wolno
                [few] { $functions } działały wolno
               *[many] { $functions } działało wolno
            }
        [partial_outage]
            { $count ->
                [one] { $functions } nie działała u części użytkowników
                [few] { $functions } nie działały u części użytkowników
               *[many] { $functions } nie działało u części użytkowników
            }
        [major_outage]
            { $count ->
                [one] { $functions } nie działała
                [few] { $functions } nie działały
               *[many] { $functions } nie działało
            }
       *[unknown]
            { $count ->
                [one] { $functions } działała z zakłóceniami
                [few] { $functions } działały z zakłóceniami
               *[many] { $functions } działało z zakłóceniami
            }
    }
# In a row beside the function's name.
status =
    { $status ->
        [operational] działa
        [under_maintenance] prace konserwacyjne
        [degraded_performance] działa wolno
        [partial_outage] nie działa u części użytkowników
        [major_outage] nie działa
       *[unknown] stan nieznany
    }
status_since = { $status } od { $since }

## The answer at the top of the page, without a full stop

answer_stale = Od { $since } nie wiadomo, jaki jest stan usługi; pracujemy nad tym
answer_nothing_watched = Żadna funkcja nie jest jeszcze monitorowana
# $state: clauses as above.
answer_harm = { $state } (od { $since }); pracujemy nad tym
answer_unknown =
    { $count ->
        [few] od { $since } nie wiadomo, czy { $functions } działają; o innych zakłóceniach nic nie wiadomo
       *[many] od { $since } nie wiadomo, czy { $functions } działa; o innych zakłóceniach nic nie wiadomo
    }
answer_maintenance = { $state } (do { $until })
answer_recovered =
    { $count ->
        [few] { $functions } znów działają; nadal obserwujemy sytuację
       *[many] { $functions } znów działa; nadal obserwujemy sytuację
    }
answer_well = Wszystkie funkcje działają
still_works =
    { $count ->
        [few] { $functions } nadal działają.
       *[many] { $functions } nadal działa.
    }
all_else_works = Wszystko inne działa.
# A witness at another place says these while the operators are out of reach.
unreachable = Od { $since } nie możemy połączyć się ani z usługą, ani z systemami jej operatorów
unreachable_operators = Usługa odpowiada z zewnątrz; od { $since } systemy jej operatorów są nieosiągalne
unreachable_unknown = Od { $since } systemy operatorów są nieosiągalne; nie wiadomo, czy usługa działa
witnessed = Mówi to świadek w innym miejscu, który patrzy na usługę z zewnątrz. Gdy systemy operatorów będą znów osiągalne, wróci tu ich własna strona.

## Incidents

incident_status =
    { $status ->
        [investigating] Szukamy przyczyny
        [identified] Przyczyna znana
        [monitoring] Obserwujemy
       *[resolved] Zakończone
    }
# A sentence after the state of the functions.
stands =
    { $status ->
        [investigating] Wiemy o tym i szukamy przyczyny.
        [identified] Znamy przyczynę i pracujemy nad jej usunięciem.
        [monitoring] Obserwujemy, czy tak pozostanie.
       *[resolved] Zakłócenie się skończyło.
    }
next_word = Kolejna informacja do { $at }.
# What a person adds. $group: the name of some customers; $language: of itself.
affected_all = Problem dotyczy wszystkich klientów.
affected_some = Problem dotyczy części klientów.
affected_group = Problem dotyczy klientów z grupy: { $group }.
data_safe = Problem nie dotyczy danych.
data_affected = Problem dotyczy także danych.
data_checked = Sprawdzamy, czy problem dotyczy danych.
corrects = Ten wpis prostuje wcześniejszy komunikat.
original = Tekst oryginalny ({ $language }):
# What is done about it.
doing =
    { $kind ->
        [start_run] Uruchamiamy ponownie zadanie działające w tle.
        [end_run] Kończymy zadanie działające w tle.
        [end_backend] Kończymy operację w bazie danych, na którą czekają inne.
       *[recycle_instance] Uruchamiamy ponownie część usługi.
    }
done =
    { $kind ->
        [start_run] Uruchomiliśmy ponownie zadanie działające w tle.
        [end_run] Zakończyliśmy zadanie działające w tle.
        [end_backend] Zakończyliśmy operację w bazie danych, na którą czekały inne.
       *[recycle_instance] Uruchomiliśmy ponownie część usługi.
    }
began = Od { $from }
lasted = Od { $from } do { $to }, łącznie { $span }
earlier_updates = Wcześniejsze informacje
earlier_updates_gone = Wcześniejsze informacje nie są już wyświetlane.

## In the application

banner_you = Problem dotyczy także Państwa.
banner_hide = Ukryj tę wiadomość

## On the telephone

# One current text for whoever calls, at most twenty seconds long: numbers in words, since not
# every voice reads figures well, and short sentences.
spoken_hour =
    { $hour ->
        [0] zerowej
        [1] pierwszej
        [2] drugiej
        [3] trzeciej
        [4] czwartej
        [5] piątej
        [6] szóstej
        [7] siódmej
        [8] ósmej
        [9] dziewiątej
        [10] dziesiątej
        [11] jedenastej
        [12] dwunastej
        [13] trzynastej
        [14] czternastej
        [15] piętnastej
        [16] szesnastej
        [17] siedemnastej
        [18] osiemnastej
        [19] dziewiętnastej
        [20] dwudziestej
        [21] dwudziestej pierwszej
        [22] dwudziestej drugiej
       *[23] dwudziestej trzeciej
    }
spoken_minute =
    { $minute ->
        [1] zero jeden
        [2] zero dwa
        [3] zero trzy
        [4] zero cztery
        [5] zero pięć
        [6] zero sześć
        [7] zero siedem
        [8] zero osiem
        [9] zero dziewięć
        [10] dziesięć
        [11] jedenaście
        [12] dwanaście
        [13] trzynaście
        [14] czternaście
        [15] piętnaście
        [16] szesnaście
        [17] siedemnaście
        [18] osiemnaście
        [19] dziewiętnaście
        [20] dwadzieścia
        [21] dwadzieścia jeden
        [22] dwadzieścia dwa
        [23] dwadzieścia trzy
        [24] dwadzieścia cztery
        [25] dwadzieścia pięć
        [26] dwadzieścia sześć
        [27] dwadzieścia siedem
        [28] dwadzieścia osiem
        [29] dwadzieścia dziewięć
        [30] trzydzieści
        [31] trzydzieści jeden
        [32] trzydzieści dwa
        [33] trzydzieści trzy
        [34] trzydzieści cztery
        [35] trzydzieści pięć
        [36] trzydzieści sześć
        [37] trzydzieści siedem
        [38] trzydzieści osiem
        [39] trzydzieści dziewięć
        [40] czterdzieści
        [41] czterdzieści jeden
        [42] czterdzieści dwa
        [43] czterdzieści trzy
        [44] czterdzieści cztery
        [45] czterdzieści pięć
        [46] czterdzieści sześć
        [47] czterdzieści siedem
        [48] czterdzieści osiem
        [49] czterdzieści dziewięć
        [50] pięćdziesiąt
        [51] pięćdziesiąt jeden
        [52] pięćdziesiąt dwa
        [53] pięćdziesiąt trzy
        [54] pięćdziesiąt cztery
        [55] pięćdziesiąt pięć
        [56] pięćdziesiąt sześć
        [57] pięćdziesiąt siedem
        [58] pięćdziesiąt osiem
       *[59] pięćdziesiąt dziewięć
    }
# Monday is 1.
spoken_day =
    { $day ->
        [1] poniedziałku
        [2] wtorku
        [3] środy
        [4] czwartku
        [5] piątku
        [6] soboty
       *[7] niedzieli
    }
# Times and days stand in the genitive: "od" and "do" want it.
spoken_time = godziny { $hour } { $minute }
spoken_time_full = godziny { $hour }
# Where nobody said in which zone callers live.
spoken_zone = { $time } czasu UTC
spoken_day_time = { $day }, { $time }
# Functions whose names are too long or too many to be spoken.
spoken_functions =
    { $count ->
        [one] jedna z funkcji
       *[many] kilka funkcji
    }
spoken_ours = Usterka jest po naszej stronie i pracujemy nad nią.
spoken_since = Wiemy o tym od { $at }.
spoken_since_long = Wiemy o tym od ponad tygodnia.
spoken_next = Kolejna informacja pojawi się do { $at }.
spoken_unknown =
    { $count ->
        [few] W tej chwili nie widzimy, czy { $functions } działają.
       *[many] W tej chwili nie widzimy, czy { $functions } działa.
    }
spoken_blind = W tej chwili nie widzimy, jaki jest stan. Pracujemy nad tym.
spoken_recovered =
    { $count ->
        [few] { $functions } znowu działają. Nadal to obserwujemy.
       *[many] { $functions } znowu działa. Nadal to obserwujemy.
    }
spoken_planned = Te prace są zaplanowane.

## Planned work

# A title; may begin with the names of functions.
maintenance_of = prace konserwacyjne: { $functions }
maintenance_status =
    { $status ->
        [scheduled] Zaplanowane
        [in_progress] W toku
        [verifying] Sprawdzamy
        [completed] Zakończone
       *[cancelled] Odwołane
    }
# What is to be expected of it.
maintenance_impact =
    { $impact ->
        [outage]
            { $count ->
                [few] W tym czasie { $functions } mogą nie działać.
               *[many] W tym czasie { $functions } może nie działać.
            }
        [degraded]
            { $count ->
                [few] W tym czasie { $functions } mogą działać wolno.
               *[many] W tym czasie { $functions } może działać wolno.
            }
        [reduced_redundancy]
            { $count ->
                [one] Spodziewamy się, że nikt tego nie zauważy; w tym czasie { $functions } jest mniej odporna na awarie.
                [few] Spodziewamy się, że nikt tego nie zauważy; w tym czasie { $functions } są mniej odporne na awarie.
               *[many] Spodziewamy się, że nikt tego nie zauważy; w tym czasie { $functions } jest mniej odpornych na awarie.
            }
       *[no_impact] Spodziewamy się, że nikt tego nie zauważy ({ $functions }).
    }
maintenance_announced = Początek: { $from }, koniec: { $to }.
maintenance_reminder = Przypominamy: początek { $from }, koniec { $to }.
maintenance_moved = Nowy termin: początek { $from }, koniec { $to }.
maintenance_began = Prace się rozpoczęły. Powinny się zakończyć do { $to }.
maintenance_extended = Prace trwają dłużej, niż planowano. Powinny się zakończyć do { $to }.
maintenance_overdue = Prace miały się zakończyć do { $to } i jeszcze trwają. Zajmujemy się tym.
maintenance_said =
    { $news ->
        [verifying] Prace wykonano. Sprawdzamy, czy wszystko działa.
        [completed] Prace się zakończyły.
       *[cancelled] Prace się nie odbędą.
    }
heading_maintenance = Zaplanowane prace
maintenance_none = Nie zaplanowano żadnych prac.
maintenance_past = Wcześniejsze prace
maintenance_all = Wszystkie zaplanowane prace
maintenance_title = Kalendarz zaplanowanych prac
# A link to a calendar file follows.
maintenance_calendar = Do kalendarza:

## Post-mortems

# $title: of the incident; $link: an address.
postmortem = Analiza po awarii
postmortem_of = Analiza po awarii: { $title }
postmortem_read = Co się stało, dlaczego i co z tym robimy
postmortem_published = Opublikowaliśmy, co się stało, dlaczego i co z tym robimy: { $link }
postmortem_source = Czasy i liczby pochodzą z zapisów prowadzonych w trakcie awarii.
heading_figures = W liczbach
hurt = Awaria dotykała klientów w okresie: { $from } – { $to } ({ $span }).
first_sign = Pierwszy objaw: { $at }, zanim ktokolwiek to odczuł.
found_after = Awaria wykryta: { $at } (czas od początku: { $span }).
first_word = Pierwszy publiczny komunikat: { $at } (czas od początku: { $span }).
first_word_none = Awaria minęła, zanim cokolwiek ogłoszono.
came_back =
    { $count ->
        [one] Awaria powróciła { $count } raz, zanim minęła.
        [few] Awaria powróciła { $count } razy, zanim minęła.
       *[many] Awaria powróciła { $count } razy, zanim minęła.
    }
failed_requests =
    { $count ->
        [one] Nie powiodło się co najmniej { $count } żądanie.
        [few] Nie powiodły się co najmniej { $count } żądania.
       *[many] Nie powiodło się co najmniej { $count } żądań.
    }
failed_checks =
    { $count ->
        [one] Nasz własny test tych funkcji nie powiódł się co najmniej { $count } raz.
        [few] Nasze własne testy tych funkcji nie powiodły się co najmniej { $count } razy.
       *[many] Nasze własne testy tych funkcji nie powiodły się co najmniej { $count } razy.
    }
affected_all_then = Awaria dotknęła wszystkich klientów.
affected_some_then = Awaria dotknęła części klientów.
affected_group_then = Kogo dotknęła awaria: { $group }.
data_safe_then = Dane nie zostały naruszone.
data_affected_then = Dane zostały naruszone.
data_checked_then = W chwili publikacji nie było jeszcze pewne, czy dane zostały naruszone.
heading_timeline = Przebieg
moment_sign = Pierwszy objaw
moment_found = Wykryto, że awaria dotyka klientów.
moment_told = Poinformowaliśmy klientów: { $word }.
moment_corrected = Poprawiliśmy wcześniejszy komunikat.
moment_recovered = Nikt już nie odczuwał awarii.
moment_over = Awaria minęła.
moment_back = Awaria powróciła.
moments_left_out =
    { $count ->
        [one] Pominięto { $count } dalszy moment.
        [few] Pominięto { $count } dalsze momenty.
       *[many] Pominięto { $count } dalszych momentów.
    }
heading_summary = Co się stało
heading_cause = Dlaczego to się stało
heading_factors = Co pogorszyło sytuację
heading_went_well = Co poszło dobrze
heading_measures = Co z tym robimy
measure_open = Termin: { $due }
measure_late = Po terminie: { $due }
measure_done = Zrobione: { $at }
measure_dropped = Zrezygnowano: { $at }
measure_moved = pierwszy termin: { $from }
edition_first = Opublikowano: { $at }.
edition_corrected = Poprawiono: { $at }.

## Ninety days

history_none = Brak historii
history_calm = Bez zakłóceń
history_disturbed = Zakłócenia: łącznie { $span }
history_unknown = { $history }, stan nieznany: { $span }
history_maintained = { $history }, prace konserwacyjne: { $span }
strip = { $name }, od { $from } do { $to }: { $history }
bad_days = Dni z zakłóceniami i najgorszy stan w każdym z nich

## Subscriptions

subscribe = Powiadomienia e-mailem
subscribe_about = Piszemy, gdy coś nie działa, gdy jest już po wszystkim, i o planowanych pracach. Nic więcej.
mail_address = Adres e-mail
functions_wanted = O tych funkcjach
maintenance_only = Tylko o planowanych pracach
mail_language = Język wiadomości
subscribe_send = Wyślij mi link do potwierdzenia
subscribe_sent = Proszę zajrzeć do skrzynki
subscribe_sent_how = Jeśli ten adres odbiera pocztę, link jest już w drodze. Przed potwierdzeniem nie wysyłamy nic więcej. Na jeden adres wychodzi najwyżej jedna taka wiadomość na godzinę.
address_wrong = Na ten adres nie możemy pisać.
functions_none = Proszę wybrać co najmniej jedną funkcję.
subscribe_busy = W tej chwili jest za dużo próśb. Proszę spróbować ponownie za godzinę.
subscription = Państwa subskrypcja
subscription_of = Dla { $address }
subscribe_confirm = Potwierdź
subscribe_confirmed = Od teraz piszemy do Państwa.
subscription_paused = Naszych wiadomości nie udało się doręczyć, więc przestaliśmy je wysyłać. Po potwierdzeniu zaczniemy znowu.
subscription_save = Zapisz
subscription_saved = Zapisano.
unsubscribe = Zrezygnuj
unsubscribe_how = Żadnych więcej wiadomości; adres zostanie usunięty.
unsubscribed = Nie wyślemy już żadnych wiadomości. Adres został usunięty.
link_gone = Ten link nie prowadzi do żadnej subskrypcji
link_gone_why = Subskrypcja została zakończona albo nigdy jej nie potwierdzono. Można zapisać się ponownie.
letter_confirm = Prosimy o potwierdzenie: powiadomienia, { $service }
letter_confirm_why = Podano nam ten adres do powiadomień ({ $service }). Potwierdzenie tutaj:
letter_confirm_else = Jeśli to pomyłka, nie trzeba nic robić. Nie wyślemy nic więcej, a adres zostanie usunięty po trzech dniach.
letter_known = Subskrypcja powiadomień: { $service }
letter_known_why = Na ten adres wysyłamy powiadomienia ({ $service }). Zmiana lub rezygnacja tutaj:
letter_correction = Sprostowanie: { $title }
letter_page = Wszystko na ten temat i stan obecny:
letter_why = Wysyłamy tę wiadomość, ponieważ zamówiono powiadomienia ({ $service }).
letter_end = Zmiana lub rezygnacja:

## The page

site = Status: { $service }
as_of = Stan: { $at }.
as_of_old = Poniżej widać to, co było wtedy wiadomo.
heading_functions = Funkcje
heading_open = Co się teraz dzieje
heading_past = Wcześniejsze zakłócenia
past_none = Od { $since } nie zakończyło się żadne zakłócenie.
home = Aktualny stan
missing_title = Nie ma takiej strony
missing = Nie ma takiej strony
missing_why = Zakłócenia starsze niż mniej więcej dwieście ostatnich nie są tu już wyświetlane.
languages = Język
# Is it me? What we see, and what the visitor's own browser found.
me_heading = Czy problem jest po mojej stronie?
me_ours = Problem jest po naszej stronie: nie trzeba szukać usterki u siebie.
me_over = Problem był po naszej stronie i już działa: jeśli nie u Państwa, proszę odświeżyć stronę.
me_well = Nie widzimy usterki: jeśli coś u Państwa nie działa, proszę odświeżyć stronę i zalogować się ponownie albo spróbować w innej przeglądarce lub sieci.
me_unknown = W tej chwili nie widzimy, czy problem jest po naszej stronie.
me_reached = Nie widzimy usterki, a Państwa przeglądarka łączy się z usługą: jeśli mimo to coś nie działa, proszę odświeżyć stronę i zalogować się ponownie.
me_wrong = Usługa odpowiedziała właśnie Państwa przeglądarce błędem, którego z zewnątrz nie widzimy: proszę spróbować za minutę i dać nam znać, jeśli tak zostanie.
me_silent = Nie widzimy usterki, ale usługa nie odpowiada Państwa przeglądarce: proszę sprawdzić połączenie, VPN i zaporę sieciową albo spróbować w innej sieci.
me_blocked = Nie widzimy usterki, ale Państwa przeglądarka nie może połączyć się z usługą: proszę sprawdzić VPN, zaporę sieciową i blokujące rozszerzenia albo spróbować w innej sieci.
me_offline = Państwa urządzenie jest offline: proszę sprawdzić połączenie; ta strona sama sprawdzi ponownie.
me_unknown_reached = W tej chwili nie widzimy, czy problem jest po naszej stronie, ale Państwa przeglądarka łączy się z usługą.
me_unknown_unreached = W tej chwili nie widzimy, czy problem jest po naszej stronie; także Państwa przeglądarka nie dostaje dobrej odpowiedzi od usługi.
# Legal links.
imprint = Nota prawna
privacy = Prywatność
# Below an incident.
useful = Czy to było pomocne?
useful_yes = Tak
useful_no = Nie
useful_thanks = Dziękujemy za odpowiedź.
# What a feed says of itself.
feed = Zakłócenia i ich przebieg, od najnowszych
# Links to feeds and files follow.
follow = Obserwuj w czytniku kanałów:
programs = Dla programów:
# A link to the key follows.
signed = Każda kopia jest podpisana:
footer = Monitoruje Evenkeel. To, co nieznane, pokazujemy jako nieznane. Wszystkie godziny podano w UTC.

## A copy of the page that lies elsewhere

# $made, $until: times with their date.
copy_valid = Kopia z { $made }, ważna do { $until }; później stan jest nieznany.
copy_unknown = Od { $until } stan jest nieznany
copy_not_renewed = Ta kopia strony nie została odnowiona. O chwili obecnej nic nie mówi.
copy_again = Sprawdź ponownie
