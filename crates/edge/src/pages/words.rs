//! The words of the edge's own pages, in the languages of our customers.

use http::StatusCode;

use crate::languages::Language;

/// What is the matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matter {
    /// A function is switched off.
    Off,
    /// Too much is going on.
    Busy,
    /// It was waited for long enough.
    Held,
    /// This one asks for too much.
    Capped,
    /// No route fits.
    NoRoute,
    /// No instance answers.
    Unavailable,
    /// An instance answered nonsense, or half.
    Bad,
    /// An instance did not answer in time.
    Late,
    /// The body is too large.
    TooLarge,
    /// The body does not come.
    Slow,
    /// The body is not what the protocol says.
    Malformed,
}

/// What a page says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
}

/// When to try again.
pub(crate) fn again(language: Language, seconds: u64) -> String {
    match language {
        Language::English => format!("Please try again in {seconds} s."),
        Language::Dutch => format!("Probeer het over {seconds} s opnieuw."),
        Language::German => format!("Bitte versuchen Sie es in {seconds} s noch einmal."),
        Language::Polish => format!("Spróbuj ponownie za {seconds} s."),
        Language::Danish => format!("Prøv igen om {seconds} s."),
    }
}

/// Before the time of the next word.
pub(crate) fn next(language: Language) -> &'static str {
    match language {
        Language::English => "Next update:",
        Language::Dutch => "Volgend bericht:",
        Language::German => "Nächste Nachricht:",
        Language::Polish => "Następna informacja:",
        Language::Danish => "Næste opdatering:",
    }
}

/// The link to the status page.
pub(crate) fn status(language: Language) -> &'static str {
    match language {
        Language::English => "Current status",
        Language::Dutch => "Actuele status",
        Language::German => "Aktueller Stand",
        Language::Polish => "Aktualny stan",
        Language::Danish => "Aktuel status",
    }
}

/// The link that hides the banner.
pub(crate) fn hide(language: Language) -> &'static str {
    match language {
        Language::English => "Hide",
        Language::Dutch => "Verbergen",
        Language::German => "Ausblenden",
        Language::Polish => "Ukryj",
        Language::Danish => "Skjul",
    }
}

/// The link that leads to more.
pub(crate) fn more(language: Language) -> &'static str {
    match language {
        Language::English => "More",
        Language::Dutch => "Meer",
        Language::German => "Mehr",
        Language::Polish => "Więcej",
        Language::Danish => "Mere",
    }
}

impl Matter {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Off,
        Self::Busy,
        Self::Held,
        Self::Capped,
        Self::NoRoute,
        Self::Unavailable,
        Self::Bad,
        Self::Late,
        Self::TooLarge,
        Self::Slow,
        Self::Malformed,
    ];

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Off | Self::Busy | Self::Held | Self::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Capped => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Bad => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    /// The word for programs.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Off => "switched_off",
            Self::Busy => "busy",
            Self::Held => "held_too_long",
            Self::Capped => "too_many_requests",
            Self::NoRoute => "no_route",
            Self::Unavailable => "unavailable",
            Self::Bad => "bad_gateway",
            Self::Late => "timeout",
            Self::TooLarge => "too_large",
            Self::Slow => "too_slow",
            Self::Malformed => "malformed",
        }
    }

    pub(crate) fn words(self, language: Language) -> Words {
        use Language::{Danish, Dutch, English, German, Polish};
        let (title, text) = match (self, language) {
            (Self::Off, English) => (
                "This function is switched off",
                "Everything else works. Your data is safe.",
            ),
            (Self::Off, Dutch) => (
                "Deze functie is uitgeschakeld",
                "Al het andere werkt. Uw gegevens zijn veilig.",
            ),
            (Self::Off, German) => (
                "Diese Funktion ist abgeschaltet",
                "Alles andere funktioniert. Ihre Daten sind sicher.",
            ),
            (Self::Off, Polish) => (
                "Ta funkcja jest wyłączona",
                "Wszystko inne działa. Twoje dane są bezpieczne.",
            ),
            (Self::Off, Danish) => (
                "Denne funktion er slået fra",
                "Alt andet virker. Dine data er sikre.",
            ),
            (Self::Busy, English) => (
                "Too busy at the moment",
                "More is asked for than can be done at once. Nothing was changed.",
            ),
            (Self::Busy, Dutch) => (
                "Op dit moment te druk",
                "Er wordt meer gevraagd dan tegelijk kan. Er is niets gewijzigd.",
            ),
            (Self::Busy, German) => (
                "Im Moment überlastet",
                "Es wird mehr verlangt, als gleichzeitig geht. Es wurde nichts geändert.",
            ),
            (Self::Busy, Polish) => (
                "Chwilowe przeciążenie",
                "Zapytań jest więcej, niż można obsłużyć naraz. Nic nie zostało zmienione.",
            ),
            (Self::Busy, Danish) => (
                "For travlt lige nu",
                "Der bliver spurgt om mere, end der kan klares på én gang. Intet er ændret.",
            ),
            (Self::Held, English) => (
                "This is taking longer than planned",
                "Your request waited and was not carried out. Nothing was changed.",
            ),
            (Self::Held, Dutch) => (
                "Dit duurt langer dan gepland",
                "Uw verzoek heeft gewacht en is niet uitgevoerd. Er is niets gewijzigd.",
            ),
            (Self::Held, German) => (
                "Das dauert länger als geplant",
                "Ihre Anfrage hat gewartet und wurde nicht ausgeführt. Es wurde nichts geändert.",
            ),
            (Self::Held, Polish) => (
                "To trwa dłużej, niż planowano",
                "Twoje żądanie czekało i nie zostało wykonane. Nic nie zostało zmienione.",
            ),
            (Self::Held, Danish) => (
                "Det tager længere tid end planlagt",
                "Din forespørgsel ventede og blev ikke udført. Intet er ændret.",
            ),
            (Self::Capped, English) => (
                "Too many requests",
                "You have sent more than your share just now.",
            ),
            (Self::Capped, Dutch) => (
                "Te veel verzoeken",
                "U hebt zojuist meer gestuurd dan uw deel.",
            ),
            (Self::Capped, German) => (
                "Zu viele Anfragen",
                "Sie haben gerade mehr als Ihren Anteil gesendet.",
            ),
            (Self::Capped, Polish) => (
                "Zbyt wiele żądań",
                "Wysłano więcej, niż wynosi Twój udział.",
            ),
            (Self::Capped, Danish) => (
                "For mange forespørgsler",
                "Du har netop sendt mere end din andel.",
            ),
            (Self::NoRoute, English) => ("Nothing here", "There is no such page on this server."),
            (Self::NoRoute, Dutch) => ("Hier is niets", "Deze pagina bestaat niet op deze server."),
            (Self::NoRoute, German) => (
                "Hier ist nichts",
                "Diese Seite gibt es auf diesem Server nicht.",
            ),
            (Self::NoRoute, Polish) => ("Nic tu nie ma", "Na tym serwerze nie ma takiej strony."),
            (Self::NoRoute, Danish) => ("Her er ikke noget", "Siden findes ikke på denne server."),
            (Self::Unavailable, English) => (
                "Not available at the moment",
                "Nobody can answer right now. We know, and are at it.",
            ),
            (Self::Unavailable, Dutch) => (
                "Op dit moment niet beschikbaar",
                "Er kan nu niemand antwoorden. Wij weten het en werken eraan.",
            ),
            (Self::Unavailable, German) => (
                "Im Moment nicht verfügbar",
                "Gerade kann niemand antworten. Wir wissen es und arbeiten daran.",
            ),
            (Self::Unavailable, Polish) => (
                "Chwilowo niedostępne",
                "Nikt nie może teraz odpowiedzieć. Wiemy o tym i pracujemy nad tym.",
            ),
            (Self::Unavailable, Danish) => (
                "Ikke tilgængelig lige nu",
                "Ingen kan svare lige nu. Vi ved det og er i gang.",
            ),
            (Self::Bad, English) => (
                "The answer did not arrive whole",
                "Check whether what you did was carried out before you do it again.",
            ),
            (Self::Bad, Dutch) => (
                "Het antwoord kwam niet volledig aan",
                "Controleer of uw handeling is uitgevoerd voordat u die herhaalt.",
            ),
            (Self::Bad, German) => (
                "Die Antwort kam nicht vollständig an",
                "Prüfen Sie, ob Ihre Eingabe ausgeführt wurde, bevor Sie sie wiederholen.",
            ),
            (Self::Bad, Polish) => (
                "Odpowiedź nie dotarła w całości",
                "Zanim powtórzysz operację, sprawdź, czy została wykonana.",
            ),
            (Self::Bad, Danish) => (
                "Svaret nåede ikke helt frem",
                "Se efter, om det, du gjorde, blev udført, før du gør det igen.",
            ),
            (Self::Late, English) => (
                "The answer took too long",
                "Check whether what you did was carried out before you do it again.",
            ),
            (Self::Late, Dutch) => (
                "Het antwoord duurde te lang",
                "Controleer of uw handeling is uitgevoerd voordat u die herhaalt.",
            ),
            (Self::Late, German) => (
                "Die Antwort hat zu lange gedauert",
                "Prüfen Sie, ob Ihre Eingabe ausgeführt wurde, bevor Sie sie wiederholen.",
            ),
            (Self::Late, Polish) => (
                "Odpowiedź trwała zbyt długo",
                "Zanim powtórzysz operację, sprawdź, czy została wykonana.",
            ),
            (Self::Late, Danish) => (
                "Svaret tog for lang tid",
                "Se efter, om det, du gjorde, blev udført, før du gør det igen.",
            ),
            (Self::TooLarge, English) => ("Too large", "What was sent is larger than allowed."),
            (Self::TooLarge, Dutch) => ("Te groot", "Wat is verstuurd, is groter dan toegestaan."),
            (Self::TooLarge, German) => ("Zu groß", "Was gesendet wurde, ist größer als erlaubt."),
            (Self::TooLarge, Polish) => ("Za duże", "Wysłane dane są większe, niż jest dozwolone."),
            (Self::TooLarge, Danish) => ("For stort", "Det sendte er større end tilladt."),
            (Self::Slow, English) => ("Too slow", "What was sent did not arrive in time."),
            (Self::Slow, Dutch) => ("Te traag", "Wat is verstuurd, kwam niet op tijd aan."),
            (Self::Slow, German) => (
                "Zu langsam",
                "Was gesendet wurde, kam nicht rechtzeitig an.",
            ),
            (Self::Slow, Polish) => ("Zbyt wolno", "Wysłane dane nie dotarły na czas."),
            (Self::Slow, Danish) => ("For langsomt", "Det sendte nåede ikke frem i tide."),
            (Self::Malformed, English) => ("Not understood", "The request cannot be read."),
            (Self::Malformed, Dutch) => ("Niet begrepen", "Het verzoek kan niet worden gelezen."),
            (Self::Malformed, German) => {
                ("Nicht verstanden", "Die Anfrage kann nicht gelesen werden.")
            }
            (Self::Malformed, Polish) => ("Niezrozumiałe", "Nie można odczytać żądania."),
            (Self::Malformed, Danish) => ("Ikke forstået", "Forespørgslen kan ikke læses."),
        };
        Words { title, text }
    }
}
