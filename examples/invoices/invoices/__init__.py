"""An application that stores invoices, and encrypts the IBAN of each."""
