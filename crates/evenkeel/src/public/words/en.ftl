# What customers read, in English. Names of functions are proper names: nothing
# inflects them, and nothing in a sentence agrees with their gender.

## Dates, times, lengths of time

month =
    { $month ->
        [1] January
        [2] February
        [3] March
        [4] April
        [5] May
        [6] June
        [7] July
        [8] August
        [9] September
        [10] October
        [11] November
       *[12] December
    }
date = { $day } { $month }
date_year = { $day } { $month } { $year }
time = { $hour }:{ $minute } UTC
time_exact = { $hour }:{ $minute }:{ $second } UTC
moment = { $date }, { $time }
seconds =
    { $count ->
        [one] { $count } second
       *[other] { $count } seconds
    }
minutes =
    { $count ->
        [one] { $count } minute
       *[other] { $count } minutes
    }
hours =
    { $count ->
        [one] { $count } hour
       *[other] { $count } hours
    }
days =
    { $count ->
        [one] { $count } day
       *[other] { $count } days
    }

## Functions, and how they are

# $names: all but the last, with commas between.
list = { $names } and { $last }
functions_named = { $names }
functions_counted =
    { $count ->
        [one] { $count } function
       *[other] { $count } functions
    }
# Part of a sentence that may begin with it.
clause =
    { $status ->
        [operational]
            { $count ->
                [one] { $functions } works
               *[other] { $functions } work
            }
        [under_maintenance]
            { $count ->
                [one] { $functions } is under maintenance
               *[other] { $functions } are under maintenance
            }
        [degraded_performance]
            { $count ->
                [one] { $functions } is slow
               *[other] { $functions } are slow
            }
        [partial_outage]
            { $count ->
                [one] { $functions } fails for some
               *[other] { $functions } fail for some
            }
        [major_outage]
            { $count ->
                [one] { $functions } does not work
               *[other] { $functions } do not work
            }
       *[unknown]
            { $count ->
                [one] whether { $functions } works is unknown
               *[other] whether { $functions } work is unknown
            }
    }
# The same of what is over.
clause_over =
    { $status ->
        [degraded_performance]
            { $count ->
                [one] { $functions } was slow
               *[other] { $functions } were slow
            }
        [partial_outage] { $functions } failed for some
        [major_outage] { $functions } did not work
       *[unknown]
            { $count ->
                [one] { $functions } was disturbed
               *[other] { $functions } were disturbed
            }
    }
# In a row beside the function's name.
status =
    { $status ->
        [operational] works
        [under_maintenance] under maintenance
        [degraded_performance] slow
        [partial_outage] fails for some
        [major_outage] does not work
       *[unknown] unknown
    }
status_since = { $status } since { $since }

## The answer at the top of the page, without a full stop

answer_stale = How things are has been unknown since { $since }; we are on it
answer_nothing_watched = No function is watched yet
# $state: clauses as above.
answer_harm = { $state } (since { $since }); we are on it
answer_unknown =
    { $count ->
        [one] whether { $functions } works has been unknown since { $since }; nothing else is known to be wrong
       *[other] whether { $functions } work has been unknown since { $since }; nothing else is known to be wrong
    }
answer_maintenance = { $state } (until { $until })
answer_recovered =
    { $count ->
        [one] { $functions } works again; we keep watching
       *[other] { $functions } work again; we keep watching
    }
answer_well = All functions work
still_works =
    { $count ->
        [one] { $functions } still works.
       *[other] { $functions } still work.
    }
all_else_works = Everything else works.
# A witness at another place says these while the operators are out of reach.
unreachable = Since { $since } we cannot reach the service or its operators' systems
unreachable_operators = The service answers from outside; since { $since } its operators' systems cannot be reached
unreachable_unknown = Since { $since } the operators' systems cannot be reached; whether the service works is unknown
witnessed = A witness at another place says this. It looks at the service from outside. The operators' own page is here again as soon as their systems can be reached.

## Incidents

incident_status =
    { $status ->
        [investigating] Investigating
        [identified] Identified
        [monitoring] Monitoring
       *[resolved] Resolved
    }
# A sentence after the state of the functions.
stands =
    { $status ->
        [investigating] We have seen it and are looking into the cause.
        [identified] We know the cause and are dealing with it.
        [monitoring] We keep watching whether it stays so.
       *[resolved] It is over.
    }
next_word = Next word by { $at }.
# What a person adds. $group: the name of some customers; $language: of itself.
affected_all = All customers are affected.
affected_some = Some customers are affected.
affected_group = Affected: { $group }.
data_safe = No data is affected.
data_affected = Data is affected.
data_checked = We are checking whether data is affected.
corrects = This corrects an earlier update.
original = Original text ({ $language }):
# What is done about it.
doing =
    { $kind ->
        [start_run] We are starting a background job again.
        [end_run] We are ending a background job.
        [end_backend] We are ending an operation in the database that others are waiting for.
       *[recycle_instance] We are restarting a part of the service.
    }
done =
    { $kind ->
        [start_run] We have started a background job again.
        [end_run] We have ended a background job.
        [end_backend] We have ended an operation in the database that others were waiting for.
       *[recycle_instance] We have restarted a part of the service.
    }
began = Since { $from }
lasted = { $from } to { $to }, { $span } in all
earlier_updates = Earlier updates
earlier_updates_gone = Earlier updates are no longer shown.

## In the application

banner_you = You are affected.
banner_hide = Hide this message

## On the telephone

# One current text for whoever calls, at most twenty seconds long: numbers in words, since not
# every voice reads figures well, and short sentences. $half: the hours before noon are 0.
spoken_hour =
    { $hour ->
        [0] twelve
        [1] one
        [2] two
        [3] three
        [4] four
        [5] five
        [6] six
        [7] seven
        [8] eight
        [9] nine
        [10] ten
        [11] eleven
        [12] twelve
        [13] one
        [14] two
        [15] three
        [16] four
        [17] five
        [18] six
        [19] seven
        [20] eight
        [21] nine
        [22] ten
       *[23] eleven
    }
spoken_minute =
    { $minute ->
        [1] oh one
        [2] oh two
        [3] oh three
        [4] oh four
        [5] oh five
        [6] oh six
        [7] oh seven
        [8] oh eight
        [9] oh nine
        [10] ten
        [11] eleven
        [12] twelve
        [13] thirteen
        [14] fourteen
        [15] fifteen
        [16] sixteen
        [17] seventeen
        [18] eighteen
        [19] nineteen
        [20] twenty
        [21] twenty-one
        [22] twenty-two
        [23] twenty-three
        [24] twenty-four
        [25] twenty-five
        [26] twenty-six
        [27] twenty-seven
        [28] twenty-eight
        [29] twenty-nine
        [30] thirty
        [31] thirty-one
        [32] thirty-two
        [33] thirty-three
        [34] thirty-four
        [35] thirty-five
        [36] thirty-six
        [37] thirty-seven
        [38] thirty-eight
        [39] thirty-nine
        [40] forty
        [41] forty-one
        [42] forty-two
        [43] forty-three
        [44] forty-four
        [45] forty-five
        [46] forty-six
        [47] forty-seven
        [48] forty-eight
        [49] forty-nine
        [50] fifty
        [51] fifty-one
        [52] fifty-two
        [53] fifty-three
        [54] fifty-four
        [55] fifty-five
        [56] fifty-six
        [57] fifty-seven
        [58] fifty-eight
       *[59] fifty-nine
    }
# Monday is 1.
spoken_day =
    { $day ->
        [1] Monday
        [2] Tuesday
        [3] Wednesday
        [4] Thursday
        [5] Friday
        [6] Saturday
       *[7] Sunday
    }
spoken_time =
    { $half ->
        [0] { $hour } { $minute } am
       *[1] { $hour } { $minute } pm
    }
spoken_time_full =
    { $half ->
        [0] { $hour } am
       *[1] { $hour } pm
    }
# Where nobody said in which zone callers live.
spoken_zone = { $time } UTC
spoken_day_time = { $day }, { $time }
# Functions whose names are too long or too many to be spoken.
spoken_functions =
    { $count ->
        [one] one function
       *[other] several functions
    }
spoken_ours = The fault is on our side, and we are working on it.
spoken_since = We have known of it since { $at }.
spoken_since_long = We have known of it for more than a week.
spoken_next = You will hear more by { $at }.
spoken_unknown =
    { $count ->
        [one] We cannot see at the moment whether { $functions } works.
       *[other] We cannot see at the moment whether { $functions } work.
    }
spoken_blind = We cannot see at the moment how things are. We are working on it.
spoken_recovered =
    { $count ->
        [one] { $functions } works again. We keep watching.
       *[other] { $functions } work again. We keep watching.
    }
spoken_planned = This work is planned.

## Planned work

# A title; may begin with the names of functions.
maintenance_of = maintenance of { $functions }
maintenance_status =
    { $status ->
        [scheduled] Planned
        [in_progress] Under way
        [verifying] Being checked
        [completed] Over
       *[cancelled] Cancelled
    }
# What is to be expected of it.
maintenance_impact =
    { $impact ->
        [outage] During this time { $functions } may not work.
        [degraded] During this time { $functions } may be slow.
        [reduced_redundancy] We expect that nobody notices; { $functions } can stand fewer faults during this time.
       *[no_impact] We expect that nobody notices it in { $functions }.
    }
maintenance_announced = It begins { $from } and ends { $to }.
maintenance_reminder = A reminder: it begins { $from } and ends { $to }.
maintenance_moved = It now begins { $from } and ends { $to }.
maintenance_began = The work has begun. It is to be over by { $to }.
maintenance_extended = The work takes longer than planned. It is to be over by { $to }.
maintenance_overdue = The work was to be over by { $to } and is not yet. We are on it.
maintenance_said =
    { $news ->
        [verifying] The work is done. We are checking that all is well.
        [completed] The work is over.
       *[cancelled] The work does not take place.
    }
heading_maintenance = Planned work
maintenance_none = No work is planned.
maintenance_past = Past work
maintenance_all = All planned work
maintenance_title = Calendar of planned work
# A link to a calendar file follows.
maintenance_calendar = For your calendar:

## Post-mortems

# $title: of the incident; $link: an address.
postmortem = Post-mortem
postmortem_of = Post-mortem: { $title }
postmortem_read = What happened, why, and what we do about it
postmortem_published = We have published what happened, why, and what we do about it: { $link }
postmortem_source = Times and figures come from the record that was kept while it happened.
heading_figures = In figures
hurt = Customers were affected from { $from } to { $to }: { $span }.
first_sign = First sign: { $at }, before anybody was affected.
found_after = Found: { $at }, { $span } after it began.
first_word = First public word: { $at }, { $span } after it began.
first_word_none = It was over before anything was announced.
came_back =
    { $count ->
        [one] It came back { $count } time before it was over.
       *[other] It came back { $count } times before it was over.
    }
failed_requests =
    { $count ->
        [one] At least { $count } request failed.
       *[other] At least { $count } requests failed.
    }
failed_checks =
    { $count ->
        [one] Our own test of these functions failed at least { $count } time.
       *[other] Our own tests of these functions failed at least { $count } times.
    }
affected_all_then = All customers were affected.
affected_some_then = Some customers were affected.
affected_group_then = Affected were: { $group }.
data_safe_then = No data was affected.
data_affected_then = Data was affected.
data_checked_then = Whether data was affected had not been settled when this was published.
heading_timeline = How it went
moment_sign = The first sign
moment_found = It was found that customers were affected.
moment_told = We told customers: { $word }.
moment_corrected = We corrected an earlier update.
moment_recovered = Nobody was affected any more.
moment_over = It was over.
moment_back = It came back.
moments_left_out =
    { $count ->
        [one] { $count } further moment is not listed.
       *[other] { $count } further moments are not listed.
    }
heading_summary = What happened
heading_cause = Why it happened
heading_factors = What made it worse
heading_went_well = What went well
heading_measures = What we do about it
measure_open = To be done by { $due }
measure_late = Late: it was to be done by { $due }
measure_done = Done on { $at }
measure_dropped = Dropped on { $at }
measure_moved = first planned for { $from }
edition_first = Published on { $at }.
edition_corrected = Corrected on { $at }.

## Ninety days

history_none = No history yet
history_calm = No disturbance
history_disturbed = Disturbed for { $span } in all
history_unknown = { $history }, unknown for { $span }
history_maintained = { $history }, under maintenance for { $span }
strip = { $name }, { $from } to { $to }: { $history }
bad_days = Days with a disturbance, and the worst of each

## Subscriptions

subscribe = Get updates by mail
subscribe_about = We write when something is wrong, when it is over, and about planned work. Nothing else.
mail_address = Mail address
functions_wanted = About these functions
maintenance_only = Only about planned work
mail_language = Language of the mails
subscribe_send = Send me a link to confirm
subscribe_sent = Look into your mailbox
subscribe_sent_how = If mail can reach this address, a link is on its way. Nothing else is sent before you have confirmed there. An address gets one such mail an hour.
address_wrong = We cannot write to this address.
functions_none = Choose at least one function.
subscribe_busy = Too many are asking right now. Please try again in an hour.
subscription = Your subscription
subscription_of = For { $address }
subscribe_confirm = Confirm
subscribe_confirmed = From now on we write to you.
subscription_paused = Our mails could not be delivered, so we stopped. Confirm, and they begin again.
subscription_save = Save
subscription_saved = It is saved.
unsubscribe = Unsubscribe
unsubscribe_how = No more mails; your address is erased.
unsubscribed = You get no more mails. Your address is erased.
link_gone = This link leads to no subscription
link_gone_why = The subscription was ended, or never confirmed. You can subscribe again.
letter_confirm = Please confirm: updates on { $service }
letter_confirm_why = This address was given to us for updates on { $service }. Confirm it here:
letter_confirm_else = If you did not ask for this, do nothing. Nothing else is sent, and the address is erased after three days.
letter_known = Your subscription to updates on { $service }
letter_known_why = You get updates on { $service } at this address. Change or end that here:
letter_correction = Correction: { $title }
letter_page = All of it, and how things are now:
letter_why = You get this mail because you subscribed to updates on { $service }.
letter_end = Change or unsubscribe:

## The page

site = { $service } status
as_of = As of { $at }.
as_of_old = What is below is what was known then.
heading_functions = Functions
heading_open = What is going on
heading_past = Past incidents
past_none = No incident has ended since { $since }.
home = How things are now
missing_title = No such page
missing = There is no such page
missing_why = Incidents older than the newest two hundred or so are no longer shown here.
languages = Language
# Is it me? What we see, and what the visitor's own browser found.
me_heading = Is it me?
me_ours = It is us: you need not look for a fault on your side.
me_over = It was us, and it works again: if it does not for you, reload the page.
me_well = We see no fault: if something does not work for you, reload the page and log in anew, or try another browser or network.
me_unknown = Whether it is us, we cannot see at the moment.
me_reached = We see no fault, and your browser reaches the service: if something does not work all the same, reload the page and log in anew.
me_wrong = The service has just answered your browser with a fault that we do not see from outside: try again in a minute, and tell us if it stays.
me_silent = We see no fault, but the service does not answer your browser: check your connection, VPN and firewall, or try another network.
me_blocked = We see no fault, but your browser does not get through to the service: check VPN, firewall and extensions that block, or try another network.
me_offline = Your device is offline: check its connection; this page looks again by itself.
me_unknown_reached = Whether it is us, we cannot see at the moment, but your browser reaches the service.
me_unknown_unreached = Whether it is us, we cannot see at the moment; your browser does not get a good answer from the service either.
# Legal links.
imprint = Legal notice
privacy = Privacy
# Below an incident.
useful = Was this useful?
useful_yes = Yes
useful_no = No
useful_thanks = Thank you for telling us.
# What a feed says of itself.
feed = Incidents and how they went, newest first
# Links to feeds and files follow.
follow = Follow in a feed reader:
programs = For programs:
# A link to the key follows.
signed = Every copy is signed:
footer = Watched by Evenkeel. What is unknown is shown as unknown. All times are UTC.

## A copy of the page that lies elsewhere

# $made, $until: times with their date.
copy_valid = Copy of { $made }, valid until { $until }; later than that, how things are is unknown.
copy_unknown = How things are has been unknown since { $until }
copy_not_renewed = This copy of the page was not renewed. It says nothing about now.
copy_again = Look again
