use super::{Column, Fill, Function, Kind};
use crate::scan;

const fn listed(name: &'static str, label: &'static str, kind: Kind, fill: Fill) -> Column {
    Column {
        name,
        label,
        kind,
        fill,
        listed: true,
    }
}

const fn detail(name: &'static str, label: &'static str, kind: Kind, fill: Fill) -> Column {
    Column {
        name,
        label,
        kind,
        fill,
        listed: false,
    }
}

const fn status(statuses: &'static [&'static str], first: &'static str) -> Column {
    listed(
        "status",
        "Status",
        Kind::Status(statuses),
        Fill::Form(first),
    )
}

/// Every function of the back office, in the order of the menu.
pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        slug: "invoices",
        title: "Invoices",
        singular: "invoice",
        table: "invoices",
        name: "customer",
        order: "issued_on",
        headline: "format('%s are overdue, together %s; %s wait for payment.', \
            count(*) filter (where status = 'overdue'), \
            translate(to_char(coalesce(sum(net_cents + vat_cents) filter (where status = 'overdue'), 0) / 100.0, 'FM999,999,990.00'), ',', chr(8239)), \
            count(*) filter (where status = 'sent'))",
        columns: &[
            listed(
                "number",
                "Number",
                Kind::Text,
                Fill::Sql(
                    "(select to_char({issued_on}, 'YYYY') || '-' || lpad((count(*) + 1)::text, 4, '0') \
                     from invoices where tenant_id = $1)",
                ),
            ),
            listed("customer", "Customer", Kind::Text, Fill::Form("")),
            listed("issued_on", "Issued", Kind::Date, Fill::Form("today")),
            listed("due_on", "Due", Kind::Date, Fill::Sql("{issued_on} + 30")),
            listed("net_cents", "Net", Kind::Money, Fill::Form("")),
            detail(
                "vat_cents",
                "VAT",
                Kind::Money,
                Fill::Sql("{net_cents} * 21 / 100"),
            ),
            status(&["draft", "sent", "paid", "overdue"], "draft"),
        ],
    },
    Function {
        slug: "quotes",
        title: "Quotes",
        singular: "quote",
        table: "quotes",
        name: "customer",
        order: "issued_on",
        headline: "format('%s are with customers, worth %s.', \
            count(*) filter (where status = 'sent'), \
            translate(to_char(coalesce(sum(net_cents) filter (where status = 'sent'), 0) / 100.0, 'FM999,999,990.00'), ',', chr(8239)))",
        columns: &[
            listed(
                "number",
                "Number",
                Kind::Text,
                Fill::Sql(
                    "(select 'Q' || to_char({issued_on}, 'YYYY') || '-' || lpad((count(*) + 1)::text, 3, '0') \
                     from quotes where tenant_id = $1)",
                ),
            ),
            listed("customer", "Customer", Kind::Text, Fill::Form("")),
            listed("subject", "Subject", Kind::Text, Fill::Form("")),
            listed("issued_on", "Issued", Kind::Date, Fill::Form("today")),
            detail(
                "valid_until",
                "Valid until",
                Kind::Date,
                Fill::Sql("{issued_on} + 45"),
            ),
            listed("net_cents", "Net", Kind::Money, Fill::Form("")),
            status(&["draft", "sent", "accepted", "declined"], "draft"),
        ],
    },
    Function {
        slug: "expenses",
        title: "Expenses",
        singular: "expense",
        table: "expenses",
        name: "supplier",
        order: "spent_on",
        headline: "format('%s wait for approval; %s are approved and not yet paid back.', \
            count(*) filter (where status = 'submitted'), count(*) filter (where status = 'approved'))",
        columns: &[
            listed("spent_on", "Date", Kind::Date, Fill::Form("today")),
            listed("supplier", "Supplier", Kind::Text, Fill::Form("")),
            listed("category", "Category", Kind::Text, Fill::Form("Travel")),
            listed("employee", "Employee", Kind::Text, Fill::Form("")),
            listed("gross_cents", "Gross", Kind::Money, Fill::Form("")),
            detail(
                "vat_cents",
                "VAT",
                Kind::Money,
                Fill::Sql("{gross_cents} * 21 / 121"),
            ),
            status(&["submitted", "approved", "reimbursed"], "submitted"),
        ],
    },
    Function {
        slug: "appointments",
        title: "Appointments",
        singular: "appointment",
        table: "appointments",
        name: "customer",
        order: "starts_at",
        headline: "format('%s today, %s in the next seven days.', \
            count(*) filter (where starts_at::date = current_date and status <> 'cancelled'), \
            count(*) filter (where starts_at::date between current_date and current_date + 7 and status <> 'cancelled'))",
        columns: &[
            listed("starts_at", "Starts", Kind::Time, Fill::Form("today")),
            listed("customer", "Customer", Kind::Text, Fill::Form("")),
            listed("subject", "Subject", Kind::Text, Fill::Form("")),
            listed("place", "Place", Kind::Text, Fill::Form("")),
            detail("employee", "With", Kind::Text, Fill::Form("")),
            status(&["planned", "confirmed", "done", "cancelled"], "planned"),
        ],
    },
    Function {
        slug: "transport",
        title: "Transport orders",
        singular: "transport order",
        table: "transport_orders",
        name: "customer",
        order: "loads_on",
        headline: "format('%s are on the road, %s wait to be loaded.', \
            count(*) filter (where status = 'loaded'), count(*) filter (where status = 'planned'))",
        columns: &[
            listed(
                "number",
                "Number",
                Kind::Text,
                Fill::Sql(
                    "(select 'T' || lpad((count(*) + 1)::text, 5, '0') \
                     from transport_orders where tenant_id = $1)",
                ),
            ),
            detail("customer", "Customer", Kind::Text, Fill::Form("")),
            listed("loading_place", "From", Kind::Text, Fill::Form("")),
            listed("unloading_place", "To", Kind::Text, Fill::Form("")),
            listed("loads_on", "Loads", Kind::Date, Fill::Form("today")),
            detail("goods", "Goods", Kind::Text, Fill::Form("")),
            listed("weight_kg", "Weight", Kind::Count("kg"), Fill::Form("")),
            detail("plate", "Truck", Kind::Text, Fill::Form("")),
            listed("price_cents", "Price", Kind::Money, Fill::Form("")),
            status(&["planned", "loaded", "delivered"], "planned"),
        ],
    },
    Function {
        slug: "payroll",
        title: "Payroll",
        singular: "payslip",
        table: "payslips",
        name: "employee",
        order: "period",
        headline: "format('%s payslips of %s employees; last handed to the payroll bureau: %s.', \
            count(*), count(distinct employee), \
            coalesce((select to_char(max(payroll_exported_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI \"UTC\"') \
                      from users where tenant_id = $1), 'never'))",
        columns: &[
            listed("period", "Month", Kind::Date, Fill::Form("today")),
            listed("employee", "Employee", Kind::Text, Fill::Form("")),
            listed("gross_cents", "Gross", Kind::Money, Fill::Form("")),
            detail(
                "tax_cents",
                "Wage tax",
                Kind::Money,
                Fill::Sql("{gross_cents} * 27 / 100"),
            ),
            detail(
                "pension_cents",
                "Pension",
                Kind::Money,
                Fill::Sql("{gross_cents} * 6 / 100"),
            ),
            listed(
                "net_cents",
                "Net",
                Kind::Money,
                Fill::Sql("{gross_cents} - {gross_cents} * 27 / 100 - {gross_cents} * 6 / 100"),
            ),
            status(&["calculated", "approved", "paid"], "calculated"),
        ],
    },
    Function {
        slug: "vat",
        title: "VAT returns",
        singular: "VAT return",
        table: "vat_returns",
        name: "period_start",
        order: "period_start",
        headline: "case count(*) filter (where status = 'open') \
            when 0 then 'Everything is filed.' \
            else format('%s to file, the oldest for the quarter from %s.', \
                count(*) filter (where status = 'open'), min(period_start) filter (where status = 'open')) end",
        columns: &[
            listed(
                "period_start",
                "Quarter from",
                Kind::Date,
                Fill::Form("quarter"),
            ),
            listed(
                "sales_net_cents",
                "Sales",
                Kind::Money,
                Fill::Sql(
                    "(select coalesce(sum(net_cents), 0) from invoices where tenant_id = $1 \
                     and issued_on >= {period_start} and issued_on < {period_start} + interval '3 months')",
                ),
            ),
            listed(
                "vat_due_cents",
                "VAT due",
                Kind::Money,
                Fill::Sql(
                    "(select coalesce(sum(vat_cents), 0) from invoices where tenant_id = $1 \
                     and issued_on >= {period_start} and issued_on < {period_start} + interval '3 months')",
                ),
            ),
            listed(
                "vat_deductible_cents",
                "Deductible",
                Kind::Money,
                Fill::Sql(
                    "(select coalesce(sum(vat_cents), 0) from expenses where tenant_id = $1 \
                     and spent_on >= {period_start} and spent_on < {period_start} + interval '3 months')",
                ),
            ),
            status(&["open", "filed"], "open"),
        ],
    },
    Function {
        slug: "scanning",
        title: "Document scanning",
        singular: "document",
        table: "documents",
        name: "title",
        order: "scanned_on",
        headline: "format('%s documents are read and wait for a check.', \
            count(*) filter (where status = 'recognised'))",
        columns: &[
            listed("scanned_on", "Scanned", Kind::Date, Fill::Form("today")),
            listed("title", "Title", Kind::Text, Fill::Form("")),
            listed(
                "supplier",
                "Supplier",
                Kind::Text,
                Fill::From("body", scan::supplier),
            ),
            detail("body", "Text on the page", Kind::Long, Fill::Form("")),
            listed(
                "total_cents",
                "Total",
                Kind::Money,
                Fill::From("body", scan::total_cents),
            ),
            status(&["recognised", "checked", "booked"], "recognised"),
        ],
    },
];
